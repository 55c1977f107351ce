using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class UmT5Tests(Xunit.Abstractions.ITestOutputHelper output)
{
    private static readonly UmT5Config mini = new(300, 64, 64, 160, 4, 2);

    private static UmT5Config Sizes()
    {
        var c = Fixtures.Json("umt5_encoder").GetProperty("config");
        int Int(string name) => c.GetProperty(name).GetInt32();
        return new(
            Int("vocab"),
            Int("dim"),
            Int("dim_attn"),
            Int("dim_ffn"),
            Int("num_heads"),
            Int("num_layers"),
            Int("num_buckets"),
            c.TryGetProperty("max_dist", out var most) ? most.GetInt32() : 128,
            c.GetProperty("shared_pos").GetBoolean()
        );
    }

    [SkippableTheory]
    [InlineData("ids", "mask", "context")]
    [InlineData("ids", null, "context_no_mask")]
    [InlineData("ids_long", "mask_long", "context_long")]
    public void FeaturesAreTheReferences(string ids, string? mask, string expected)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var fixture = Fixtures.Read("umt5_encoder");
        using var weights = Weights.Load(name => fixture.GetValueOrDefault("weights/" + name));
        var encoder = new UmT5Encoder(weights, Sizes());
        Assert.Equal(
            fixture.Keys.Where(k => k.StartsWith("weights/")).Order(),
            weights.All.Select(p => "weights/" + p.Key).Order()
        );
        Close(
            fixture["outputs/" + expected],
            encoder.Forward(fixture["inputs/" + ids], mask is null ? null : fixture["inputs/" + mask]),
            expected
        );
    }

    [SkippableFact]
    public void PaddingIsZeroedAsTheReferenceDoes()
    {
        using var scope = torch.NewDisposeScope();
        var fixture = Fixtures.Read("umt5_encoder");
        Close(
            fixture["outputs/context_padding_zeroed"],
            UmT5Encoder.WithoutPadding(fixture["outputs/context"], fixture["inputs/mask"]),
            "zeroed"
        );
    }

    [SkippableFact]
    public void BucketsAreTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        var (fixture, sizes) = (Fixtures.Read("umt5_encoder"), Sizes());
        var ours = fixture["inputs/relative_positions"].ToArray<long>().Select(d => RelativePositions.Bucket(d, sizes));
        Assert.Equal(fixture["outputs/relative_position_bucket"].ToArray<long>(), ours);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryParameterOfANewEncoderGetsAGradientAndPaddingChangesNothing(bool sharedPositions)
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(3));
        var encoder = new UmT5Encoder(weights, mini with { SharedPositions = sharedPositions });
        weights.Trainable();
        var features = encoder.Forward(Tensor.From([5L, 9, 20, 1, 0, 0], 1, 6), Tensor.From([1L, 1, 1, 1, 0, 0], 1, 6));
        using (torch.no_grad())
        {
            var alone = encoder.Forward(Tensor.From([5L, 9, 20, 1], 1, 4));
            Assert.True((alone - features.Slice(1, ..4)).abs().max().ToDouble() < 1e-5);
            Assert.InRange((features * features).mean().sqrt().ToDouble(), 0.9, 1.1);
        }
        (features * features * Tensor.From([1f, -2, 3, 1, 0, 0], 1, 6, 1)).sum().Backward();
        Assert.Equal(sharedPositions ? 21 : 22, weights.Tensors.Count);
        foreach (var (name, tensor) in weights.All)
            Assert.True(tensor.grad is { } g && g.AllFinite() && g.norm().ToDouble() > 0, name);
    }

    private void Close(Tensor expected, Tensor actual, string what)
    {
        Assert.Equal(expected.shape, actual.shape);
        var tolerance = Fixtures.Json("umt5_encoder").GetProperty("tolerance");
        using var error = new Deviation(output, "umt5_encoder " + what);
        error.Hold(
            expected,
            actual,
            tolerance.GetProperty("atol").GetDouble(),
            tolerance.GetProperty("rtol").GetDouble()
        );
    }
}
