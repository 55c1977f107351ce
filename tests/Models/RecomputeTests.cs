using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

/// <summary>Blocks computed again in backward give the numbers of blocks that keep what they made.</summary>
[Collection(nameof(Alone))]
public sealed class RecomputeTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private Dictionary<string, Tensor> Gradients(
        bool recompute,
        Func<Weights, WanConfig, Func<Tensor, Tensor, Tensor, Tensor>> network,
        Weights weights
    )
    {
        using var g = new torch.Generator((ulong)(5));
        var (x, text, towards) = (
            torch.randn([2, 4, 5, 4, 4], generator: g),
            torch.randn([2, 6, 8], generator: g),
            torch.randn([2, 4, 5, 4, 4], generator: g)
        );
        var forward = network(weights, tiny.Folder.Config.Wan with { Recompute = recompute });
        weights.Trainable();
        var v = forward(x, Tensor.From<float>([300, 800]), text);
        (v - towards).square().mean().Backward();
        var all = weights.All.ToDictionary(
            p => p.Key,
            p => p.Value.grad ?? throw new InvalidOperationException($"{p.Key} has no gradient")
        );
        all["velocity"] = v.detach();
        return all;
    }

    // Text, time and modulation get the sum of what several layers send back, added up in another order: block by
    // block. What lies before two heads gets it from both.
    private static void Same(
        Dictionary<string, Tensor> plain,
        Dictionary<string, Tensor> again,
        double rounding,
        Func<string, bool>? several = null
    )
    {
        Assert.Equal(plain.Keys, again.Keys);
        Assert.All(plain, p =>
        {
            if (p.Value.SameAs(again[p.Key]))
                return;
            Assert.True(
                p.Key.StartsWith("text_", StringComparison.Ordinal)
                    || p.Key.StartsWith("time_", StringComparison.Ordinal)
                    || p.Key.EndsWith("modulation", StringComparison.Ordinal)
                    || several?.Invoke(p.Key) == true,
                p.Key
            );
            Assert.True((p.Value - again[p.Key]).norm().ToDouble() <= rounding * p.Value.norm().ToDouble(), p.Key);
        });
    }

    [Theory]
    [InlineData(ScalarType.Float32, 1e-6)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    public void OfTheTransformer(ScalarType compute, double rounding)
    {
        using var scope = torch.NewDisposeScope();
        using var one = tiny.Teacher(7, 0.05);
        using var two = tiny.Teacher(7, 0.05);
        Func<Tensor, Tensor, Tensor, Tensor> Network(Weights w, WanConfig c) =>
            new WanTransformer(w, c, compute).Forward;
        Same(Gradients(false, Network, one), Gradients(true, Network, two), rounding);
    }

    /// <summary>Both heads off one encoded state, as with an anchor.</summary>
    [Fact]
    public void OfTheStudentsTwoHeads()
    {
        using var scope = torch.NewDisposeScope();
        using var one = tiny.Student(7);
        using var two = tiny.Student(7);
        Func<Tensor, Tensor, Tensor, Tensor> Network(Weights w, WanConfig c)
        {
            var student = new DecoupledTransformer(w, new WanModel(c), 1);
            return (x, t, e) =>
            {
                var state = student.Encode(x, t, e);
                return student.Decode(Head.FlowMatching, state, x, t)
                    + student.Decode(Head.DistributionMatching, state, x, t);
            };
        }
        Same(Gradients(false, Network, one), Gradients(true, Network, two), 1e-2, name =>
            name != "velocity" && DecoupledTransformer.IsEncoder(name)
        );
    }

    /// <summary>The handles alone tell: a block leaves one tensor, or none, behind.</summary>
    [Fact]
    public void AForwardLeavesItsResultAlone()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = tiny.Teacher(7, 0.05);
        using var g = new torch.Generator((ulong)(5));
        var (x, t, text) = (
            torch.randn([1, 4, 5, 4, 4], generator: g),
            Tensor.From<float>([300]),
            torch.randn([1, 6, 8], generator: g)
        );
        var network = new Transformer(weights, tiny.Folder.Config.Model);
        var before = LiveTensors.Settled();
        network.Forward(x, t, text);
        Assert.Equal(before + 1, Tensor.TotalCount);
    }
}
