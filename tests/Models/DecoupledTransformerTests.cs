using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class DecoupledTransformerTests
{
    private static readonly WanConfig config = new()
    {
        TextLength = 8,
        InChannels = 4,
        OutChannels = 4,
        Dim = 24,
        FfnDim = 32,
        FreqDim = 16,
        TextDim = 8,
        Heads = 2,
        Layers = 4,
    };

    private static Weights Drawn(Func<Weights, DecoupledTransformer> make, out DecoupledTransformer network)
    {
        var weights = Weights.Create(new Rng(1));
        network = make(weights);
        using var g = new torch.Generator((ulong)(2));
        foreach (var (name, t) in weights.All)
            // zero at the start
            if (name.Contains("_head.head.", StringComparison.Ordinal))
                t.copy_(torch.randn(t.shape, generator: g) * 0.1);
        return weights;
    }

    [Theory]
    [InlineData(Head.FlowMatching, "dm_head.")]
    [InlineData(Head.DistributionMatching, "fm_head.")]
    public void AHeadsLossReachesTheEncoderAndItselfButNeverTheOtherHead(Head head, string other)
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Drawn(w => new(w, new WanModel(config), 2), out var network);
        weights.Trainable();
        using var g = new torch.Generator((ulong)(3));
        var (x, t, text) = (
            torch.randn([1, 4, 5, 4, 4], generator: g),
            torch.full([1], 700),
            torch.randn([1, 5, 8], generator: g)
        );
        network.Forward(head, x, t, text).square().sum().Backward();
        foreach (var (name, p) in weights.All)
        {
            if (name.StartsWith(other, StringComparison.Ordinal))
                Assert.True(p.grad is null, name);
            else if (!name.EndsWith("k.bias", StringComparison.Ordinal))
                Assert.True(p.grad is { } grad && grad.AllFinite() && grad.norm().ToDouble() > 0, name);
        }
    }

    [Fact]
    public void OneEncodingServesBothHeads()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Drawn(w => new(w, new WanModel(config), 2), out var network);
        using var g = new torch.Generator((ulong)(3));
        var (x, t, text) = (
            torch.randn([1, 4, 5, 4, 4], generator: g),
            torch.full([1], 700),
            torch.randn([1, 5, 8], generator: g)
        );
        var state = network.Encode(x, t, text);
        foreach (var head in Enum.GetValues<Head>())
            Assert.True(network.Forward(head, x, t, text).SameAs(network.Decode(head, state, x, t)));
        Assert.False(
            network
                .Decode(Head.FlowMatching, state, x, t)
                .SameAs(network.Decode(Head.DistributionMatching, state, x, t))
        );
    }

    [Fact]
    public void ForInferenceOneHeadIsEnoughAndTheOtherIsNotRead()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var whole = Drawn(w => new(w, new WanModel(config), 2), out var both);
        using var part = Weights.Load(name =>
            name.StartsWith("fm_head.", StringComparison.Ordinal)
                ? throw new InvalidOperationException($"{name} was read")
                : whole.Source()(name)
        );
        var one = new DecoupledTransformer(part, new WanModel(config), 2, only: Head.DistributionMatching);
        using var g = new torch.Generator((ulong)(3));
        var (x, t, text) = (
            torch.randn([1, 4, 3, 4, 4], generator: g),
            torch.full([1], 700),
            torch.randn([1, 5, 8], generator: g)
        );
        Assert.True(
            both.Forward(Head.DistributionMatching, x, t, text)
                .SameAs(one.Forward(Head.DistributionMatching, x, t, text))
        );
        Assert.Contains(
            "fm_head",
            Assert.Throws<InvalidOperationException>(() => one.Forward(Head.FlowMatching, x, t, text)).Message
        );
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void APromptThatWasReadBeforeIsTheText(ScalarType compute)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Drawn(w => new(w, new WanModel(config), 2, compute), out var model);
        using var g = new torch.Generator((ulong)(4));
        var text = torch.randn([2, 5, 8], generator: g);
        var prompt = model.Prompt(text);
        foreach (var head in Enum.GetValues<Head>())
        foreach (var frames in (int[])[3, 2])
        {
            var (x, t) = (torch.randn([2, 4, frames, 4, 4], generator: g), torch.randn([2], generator: g) * 100 + 500);
            Assert.True(model.Forward(head, x, t, text).SameAs(model.Forward(head, x, t, prompt)));
        }
        using var whole = Weights.Create(new Rng(5));
        var wan = new WanTransformer(whole, config, compute);
        foreach (var (_, tensor) in whole.All)
            tensor.copy_(torch.randn(tensor.shape, generator: g));
        var (y, time) = (torch.randn([2, 4, 3, 4, 4], generator: g), torch.full([2], 300));
        Assert.True(wan.Forward(y, time, text).SameAs(wan.Forward(y, time, wan.Prompt(text))));
    }

    [Fact]
    public void EveryWeightBelongsToTheEncoderOrToOneHead()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Drawn(w => new(w, new WanModel(config), 1), out _);
        var names = weights.All.Select(p => p.Key).ToList();
        Assert.All(names, n =>
            Assert.Equal(
                !n.StartsWith("fm_head.", StringComparison.Ordinal)
                    && !n.StartsWith("dm_head.", StringComparison.Ordinal),
                DecoupledTransformer.IsEncoder(n)
            )
        );
        Assert.Equal(
            names.Where(n => n.StartsWith("fm_head.")).Select(n => n[8..]),
            names.Where(n => n.StartsWith("dm_head.")).Select(n => n[8..])
        );
        Assert.Equal(3, names.Where(n => n.StartsWith("blocks.")).Select(n => n.Split('.')[1]).Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void AHeadWithoutABlockOrAnEncoderWithoutOneIsAnError(int headBlocks)
    {
        using var weights = Weights.Create(new Rng(1));
        Assert.Contains(
            "1 to 3 of the 4 blocks",
            Assert
                .Throws<UserException>(() => new DecoupledTransformer(weights, new WanModel(config), headBlocks))
                .Message
        );
    }
}
