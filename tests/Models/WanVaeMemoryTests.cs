using System.Text.Json;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

[Collection(nameof(Alone))]
public class WanVaeMemoryTests
{
    [Fact]
    public void StreamingHoldsNothingButItsCache()
    {
        using var outer = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, WanVaeTests.Mini);
        var before = LiveTensors.Settled();
        var (live, bytes) = (new List<long>(), new List<long>());
        using (var cache = new AutoencoderCache())
        {
            for (var step = 0; step < 5; step++)
            {
                using (var scope = torch.NewDisposeScope())
                    vae.DecodeStep(WanVaeTests.Noise(step, 1, 4, 1, 4, 4), cache);
                live.Add(Tensor.TotalCount);
                bytes.Add(cache.Bytes);
            }
        }
        Assert.Single(live[1..].Distinct());
        Assert.Single(bytes[1..].Distinct());
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Theory]
    [InlineData(4, 1)]
    [InlineData(4, 0)]
    [InlineData(12, 1)]
    public void FewChannelsAreThoseOfLibtorchsConvolutions(int dim, int chunk)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(6));
        var c = new WanVaeConfig
        {
            Dim = dim,
            ZDim = 4,
            DimMult = [1, 2, 1],
            ResBlocks = 1,
            TemporalDownsample = [true, true],
            Mean = [],
            Std = [],
        };
        using var g = new torch.Generator((ulong)(7));
        var (exact, half) = (new WanVae(weights, c), new WanVae(weights, c, ScalarType.BFloat16));
        foreach (var (_, tensor) in weights.All)
            tensor.copy_(tensor + torch.randn(tensor.shape, generator: g) * 0.1);
        var (video, latents) = (
            (torch.randn([2, 3, 17, 16, 24], generator: g) * 0.5).clamp(-1, 1),
            torch.randn([2, 4, 5, 4, 6], generator: g)
        );
        (Tensor, Tensor) Both(WanVae vae) => (vae.Encode(video, chunk), vae.Decode(latents, chunk, clamp: false));
        static double Error(Tensor a, Tensor b) => ((a - b).norm() / b.norm()).ToDouble();
        weights.Trainable(); // which these operators are not for
        var (slow, slowHalf) = (Both(exact), Both(half));
        weights.Trainable(false);
        var (fast, fastHalf) = (Both(exact), Both(half));
        Assert.InRange(Error(fast.Item1, slow.Item1), 0, 1e-5);
        Assert.InRange(Error(fast.Item2, slow.Item2), 0, 1e-5);
        // In bfloat16 no further from the truth than libtorch's.
        Assert.InRange(Error(fastHalf.Item1, slow.Item1), 0, 1.1 * Error(slowHalf.Item1, slow.Item1));
        Assert.InRange(Error(fastHalf.Item2, slow.Item2), 0, 1.1 * Error(slowHalf.Item2, slow.Item2));
    }
}
