using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Methods;

public sealed class FlowMatchingTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private static void Learns(Method method)
    {
        using var scope = torch.NewDisposeScope();
        var update = method.Updates.Single();
        Assert.True(update.Descend(new Rng(3), 1)["loss"] > 0);
        Assert.All(update.Parameters, p => Assert.True(p.Value.requires_grad && p.Value.grad is not null, p.Key));
        Assert.Equal(method.Networks.Values.Sum(w => w.Tensors.Count), update.Parameters.Count);
        Assert.Equal(method.Networks.Keys, method.Averaged);
    }

    [Fact]
    public void ATeacherFromNothingLearnsInAllItsWeights()
    {
        Weights wan = Weights.Create(new Rng(1)),
            text = Weights.Create(new Rng(2));
        using var method = Teacher.Build(
            tiny.Folder.Config,
            new() { Batch = 3 },
            new(),
            tiny.Data,
            wan,
            text,
            tiny.Folder.TokenizerFile,
            (_, _) => { }
        );
        Learns(method);
        Assert.True(method.Validate!()["held-out fm"] > 0);
    }

    [Fact]
    public void ALongTransformerLearnsInAllItsWeightsAndItsTextEncoderStays()
    {
        using var method = LongSft.Build(
            tiny.Folder,
            new() { Batch = 2 },
            new(),
            tiny.Data,
            tiny.Teacher(1, 0.05),
            (_, _) => { }
        );
        Learns(method);
        Assert.Equal(["wan"], method.Networks.Keys);
    }

    /// <summary>With a network that says nothing the loss is the mean square of noise - x0.</summary>
    [Fact]
    public void TheLossOfSilenceIsTheMeanSquareOfTheTarget()
    {
        using var scope = torch.NewDisposeScope();
        var loss = FlowMatching.Loss(
            (x, t, _) => x * 0,
            torch.full([4, 4, 7, 16, 16], 2),
            torch.zeros([1]),
            new Rng(1),
            3
        );
        Assert.Equal(1 + 2 * 2, loss.ToDouble(), 0.1);
    }
}
