using LongTake.Models;

namespace LongTake.Tests.Models;

public class UmT5Tests(Xunit.Abstractions.ITestOutputHelper output)
{
    private static readonly UmT5Config config = new(300, 64, 64, 160, 4, 2);

    [SkippableTheory]
    [InlineData("ids", "mask", "context")]
    [InlineData("ids", null, "context_no_mask")]
    [InlineData("ids_long", "mask_long", "context_long")]
    public void FeaturesAreTheReferences(string ids, string? mask, string expected)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = Fixtures.Read("umt5_encoder");
        using var weights = Weights.Load(name => fixture.GetValueOrDefault("weights/" + name));
        var encoder = new UmT5Encoder(weights, config);
        Assert.Equal(fixture.Keys.Where(k => k.StartsWith("weights/")).Order(), weights.All.Select(p => "weights/" + p.Key).Order());
        Close(fixture["outputs/" + expected], encoder.Forward(fixture["inputs/" + ids], mask is null ? null : fixture["inputs/" + mask]), expected);
    }

    [SkippableFact]
    public void PaddingIsZeroedAsTheReferenceDoes()
    {
        using var scope = new Scope();
        var fixture = Fixtures.Read("umt5_encoder");
        Close(fixture["outputs/context_padding_zeroed"], UmT5Encoder.WithoutPadding(fixture["outputs/context"], fixture["inputs/mask"]), "zeroed");
    }

    [SkippableFact]
    public void BucketsAreTheReferences()
    {
        using var scope = new Scope();
        var fixture = Fixtures.Read("umt5_encoder");
        var ours = fixture["inputs/relative_positions"].ToArray<long>().Select(d => RelativePositions.Bucket(d, config));
        Assert.Equal(fixture["outputs/relative_position_bucket"].ToArray<long>(), ours);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void EveryParameterOfANewEncoderGetsAGradientAndPaddingChangesNothing(bool sharedPositions)
    {
        using var scope = new Scope();
        using var weights = Weights.Create(new Rng(3));
        var encoder = new UmT5Encoder(weights, config with { SharedPositions = sharedPositions });
        weights.Trainable();
        var features = encoder.Forward(Tensor.From([5L, 9, 20, 1, 0, 0], 1, 6), Tensor.From([1L, 1, 1, 1, 0, 0], 1, 6));
        using (GradMode.Off())
        {
            var alone = encoder.Forward(Tensor.From([5L, 9, 20, 1], 1, 4));
            Assert.True(Max(Abs(alone - features.Slice(1, ..4))).Scalar() < 1e-5);
            Assert.InRange(Sqrt(Mean(features * features)).Scalar(), 0.9, 1.1);
        }
        Sum(features * features * Tensor.From([1f, -2, 3, 1, 0, 0], 1, 6, 1)).Backward();
        Assert.Equal(sharedPositions ? 21 : 22, weights.Tensors.Count);
        foreach (var (name, tensor) in weights.All)
            Assert.True(tensor.Grad is { } g && AllFinite(g) && Norm(g).Scalar() > 0, name);
    }

    private void Close(Tensor expected, Tensor actual, string what)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var error = Max(Abs(expected - actual)).Scalar();
        output.WriteLine($"{what}: largest difference {error:g3} of values up to {Max(Abs(expected)).Scalar():g3}");
        Assert.True(Max(Abs(expected - actual) - Abs(expected) * 1e-4).Scalar() <= 1e-4, $"{what}: largest difference {error}");
    }
}
