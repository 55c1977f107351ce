using LongTake.Models;

namespace LongTake.Tests.Models;

public class DecoupledTransformerTests
{
    private static readonly WanConfig config = new()
    {
        TextLength = 8, InChannels = 4, OutChannels = 4, Dim = 24, FfnDim = 32, FreqDim = 16, TextDim = 8, Heads = 2, Layers = 4,
    };

    private static Weights Drawn(Func<Weights, DecoupledTransformer> make, out DecoupledTransformer network)
    {
        var weights = Weights.Create(new Rng(1));
        network = make(weights);
        using var g = new Generator(2);
        foreach (var (name, t) in weights.All)
            if (name.Contains("_head.head.", StringComparison.Ordinal)) Copy_(t, g.Normal(t.Shape) * 0.1);   // zero at the start
        return weights;
    }

    [Theory]
    [InlineData(Head.FlowMatching, "dm_head.")]
    [InlineData(Head.DistributionMatching, "fm_head.")]
    public void AHeadsLossReachesTheEncoderAndItselfButNeverTheOtherHead(Head head, string other)
    {
        using var scope = new Scope();
        using var weights = Drawn(w => new(w, config, 2), out var network);
        weights.Trainable();
        using var g = new Generator(3);
        var (x, t, text) = (g.Normal(1, 4, 5, 4, 4), Full([1], 700), g.Normal(1, 5, 8));
        Sum(Square(network.Forward(head, x, t, text))).Backward();
        foreach (var (name, p) in weights.All)
        {
            if (name.StartsWith(other, StringComparison.Ordinal)) Assert.True(p.Grad is null, name);
            else if (!name.EndsWith("k.bias", StringComparison.Ordinal)) Assert.True(p.Grad is { } grad && AllFinite(grad) && Norm(grad).Scalar() > 0, name);
        }
    }

    [Fact]
    public void OneEncodingServesBothHeads()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Drawn(w => new(w, config, 2), out var network);
        using var g = new Generator(3);
        var (x, t, text) = (g.Normal(1, 4, 5, 4, 4), Full([1], 700), g.Normal(1, 5, 8));
        var state = network.Encode(x, t, text);
        foreach (var head in Enum.GetValues<Head>()) Assert.True(Equal(network.Forward(head, x, t, text), network.Decode(head, state, x, t)));
        Assert.False(Equal(network.Decode(Head.FlowMatching, state, x, t), network.Decode(Head.DistributionMatching, state, x, t)));
    }

    [Fact]
    public void ForInferenceOneHeadIsEnoughAndTheOtherIsNotRead()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var whole = Drawn(w => new(w, config, 2), out var both);
        using var part = Weights.Load(name => name.StartsWith("fm_head.", StringComparison.Ordinal)
            ? throw new InvalidOperationException($"{name} was read") : whole.Source()(name));
        var one = new DecoupledTransformer(part, config, 2, only: Head.DistributionMatching);
        using var g = new Generator(3);
        var (x, t, text) = (g.Normal(1, 4, 3, 4, 4), Full([1], 700), g.Normal(1, 5, 8));
        Assert.True(Equal(both.Forward(Head.DistributionMatching, x, t, text), one.Forward(Head.DistributionMatching, x, t, text)));
        Assert.Contains("fm_head", Assert.Throws<InvalidOperationException>(() => one.Forward(Head.FlowMatching, x, t, text)).Message);
    }

    [Theory]
    [InlineData(Dtype.F32)]
    [InlineData(Dtype.BF16)]
    public void APromptThatWasReadBeforeIsTheText(Dtype compute)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Drawn(w => new(w, config, 2, compute), out var model);
        using var g = new Generator(4);
        var text = g.Normal(2, 5, 8);
        var prompt = model.Prompt(text);
        foreach (var head in Enum.GetValues<Head>())
            foreach (var frames in (int[])[3, 2])
            {
                var (x, t) = (g.Normal(2, 4, frames, 4, 4), g.Normal(2) * 100 + 500);
                Assert.True(Equal(model.Forward(head, x, t, text), model.Forward(head, x, t, prompt)));
            }
        using var whole = Weights.Create(new Rng(5));
        var wan = new WanTransformer(whole, config, compute);
        foreach (var (_, tensor) in whole.All) Copy_(tensor, g.Normal(tensor.Shape));
        var (y, time) = (g.Normal(2, 4, 3, 4, 4), Full([2], 300));
        Assert.True(Equal(wan.Forward(y, time, text), wan.Forward(y, time, wan.Prompt(text))));
    }

    [Fact]
    public void EveryWeightBelongsToTheEncoderOrToOneHead()
    {
        using var scope = new Scope();
        using var weights = Drawn(w => new(w, config, 1), out _);
        var names = weights.All.Select(p => p.Key).ToList();
        Assert.All(names, n => Assert.Equal(!n.StartsWith("fm_head.", StringComparison.Ordinal) && !n.StartsWith("dm_head.", StringComparison.Ordinal), DecoupledTransformer.IsEncoder(n)));
        Assert.Equal(names.Where(n => n.StartsWith("fm_head.")).Select(n => n[8..]), names.Where(n => n.StartsWith("dm_head.")).Select(n => n[8..]));
        Assert.Equal(3, names.Where(n => n.StartsWith("blocks.")).Select(n => n.Split('.')[1]).Distinct().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void AHeadWithoutABlockOrAnEncoderWithoutOneIsAnError(int headBlocks)
    {
        using var weights = Weights.Create(new Rng(1));
        Assert.Contains("1 to 3 of the 4 blocks", Assert.Throws<UserException>(() => new DecoupledTransformer(weights, config, headBlocks)).Message);
    }
}
