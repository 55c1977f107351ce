using LongTake.Models;

namespace LongTake.Tests.Models;

public class WanTransformerTests
{
    private static readonly WanConfig config = new()
    {
        TextLength = 16, Dim = 96, FfnDim = 256, FreqDim = 64, TextDim = 48, Heads = 3, Layers = 2,
    };

    [SkippableFact]
    public void EqualsTheReferenceOnTheFixture()
    {
        using var file = SafetensorsSet.Open(Fixtures.File("wan_dit.safetensors"));
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Load(file.Source("weights/"));
        var wan = new WanTransformer(weights, config, Dtype.F32);
        var text = Stack([PadText(file.Tensor("inputs/case0/context_0")), PadText(file.Tensor("inputs/case0/context_1"))]);
        var v = wan.Forward(file.Tensor("inputs/case0/x"), file.Tensor("inputs/case0/t"), text);
        Near.Equal(file.Tensor("outputs/case0/velocity"), v, 1e-4, 1e-4);

        for (var i = 0; i < 2; i++)
        {
            var alone = wan.Forward(file.Tensor($"inputs/case1/x_{i}").Unsqueeze(0), file.Tensor("inputs/case1/t")[i..(i + 1)],
                PadText(file.Tensor($"inputs/case1/context_{i}")).Unsqueeze(0));
            Near.Equal(file.Tensor($"outputs/case1/velocity_{i}"), alone.Squeeze(0), 1e-4, 1e-4);
        }
    }

    private static Tensor PadText(Tensor text) => Pad(text, [0, 0, 0, 16 - text.Size(0)]);

    [SkippableFact]
    public void OneTimestepPerFrameEqualsOnePerSampleWhenTheyAgree()
    {
        using var file = SafetensorsSet.Open(Fixtures.File("wan_dit.safetensors"));
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Load(file.Source("weights/"));
        var wan = new WanTransformer(weights, config, Dtype.F32);
        var text = Stack([PadText(file.Tensor("inputs/case0/context_0")), PadText(file.Tensor("inputs/case0/context_1"))]);
        var (x, t) = (file.Tensor("inputs/case0/x"), file.Tensor("inputs/case0/t"));
        Near.Equal(wan.Forward(x, t, text), wan.Forward(x, t.Unsqueeze(1).Expand(2, 3).Contiguous(), text), 1e-5, 1e-5);
    }

    [Fact]
    public void BothHeadsAreExactlyWanAtTheStart()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var c = config with { Layers = 4 };
        using var wanWeights = Weights.Create(new Rng(1));
        var wan = new WanTransformer(wanWeights, c, Dtype.F32);
        using var g = new Generator(2);
        foreach (var (name, t) in wanWeights.All.Where(p => p.Key.StartsWith("head.", StringComparison.Ordinal)))
            Copy_(t, Randn(t.Shape, g) * 0.1);
        using var weights = Weights.Load(DecoupledTransformer.FromWan(wanWeights.Source(), 4, headBlocks: 2));
        var student = new DecoupledTransformer(weights, c, headBlocks: 2, Dtype.F32);
        var (x, t5, text) = (g.Normal(1, 16, 5, 4, 4), Full([1], 700), g.Normal(1, 7, 48));
        var expected = wan.Forward(x, t5, text);
        foreach (var head in Enum.GetValues<Head>()) Assert.True(Equal(expected, student.Forward(head, x, t5, text)));
    }

    [Fact]
    public void APatchThatDoesNotFitIsNamed()
    {
        using var scope = new Scope();
        using var weights = Weights.Create(new Rng(1));
        var wan = new WanTransformer(weights, config, Dtype.F32);
        using var g = new Generator(2);
        var e = Assert.Throws<UserException>(() => wan.Forward(g.Normal(1, 16, 2, 5, 4), Full([1], 1), g.Normal(1, 3, 48)));
        Assert.Contains("[2, 5, 4]", e.Message);
    }
}
