using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Models;

public class WanVaeTilesTests
{
    private static (WanVae Vae, Weights Weights) Made(bool attention)
    {
        var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, WanVaeTests.Mini);
        if (attention) // its last map starts at zero
            foreach (var (name, t) in weights.All.Where(p => p.Key.Contains("middle.1.proj", StringComparison.Ordinal)))
                t.copy_(WanVaeTests.Noise(3, t.shape) * 0.3);
        return (vae, weights);
    }

    // Every latent in turn, or (encoding) its frames.
    private static Tensor Stepped(WanVae vae, Tensor x, int side, bool decode)
    {
        var (h, w) = decode
            ? (x.size(3), x.size(4))
            : (x.size(3) / vae.Config.SpatialStride, x.size(4) / vae.Config.SpatialStride);
        using var tiles = new VaeTiles(vae, h, w, side);
        var parts = new List<Tensor>();
        for (long at = 0, next; at < x.size(2); at = next)
        {
            next = at + (decode || at == 0 ? 1 : vae.Config.TemporalStride);
            var part = x.narrow(2, at, next - at);
            parts.Add(decode ? tiles.DecodeStep(part) : tiles.EncodeStep(part));
        }
        return torch.cat([.. parts], 2);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    public void OneTileIsTheWholePictureBitForBit(int side)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Made(attention: true);
        using var owned = weights;
        var (latents, video) = (
            WanVaeTests.Noise(1, 1, 4, 3, 8, 12),
            WanVaeTests.Noise(2, 1, 3, 9, 32, 48).clamp(-1, 1)
        );
        Assert.True(vae.Decode(latents).SameAs(Stepped(vae, latents, side, decode: true)));
        Assert.True(vae.Encode(video).SameAs(Stepped(vae, video, side, decode: false)));
    }

    /// <summary>
    /// Without attention a pixel sees a neighbourhood only: what is further than that from every edge of a tile is the
    /// whole picture's.
    /// </summary>
    [Fact]
    public void TilesAreExactAwayFromTheirEdgesAndCloseAtThem()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Made(attention: false);
        using var owned = weights;
        // two tiles, 0 to 28 and 12 to 40; the decoder sees 13 latent pixels far
        const int side = 28,
            high = 28,
            wide = 40;
        var latents = WanVaeTests.Noise(1, 1, 4, 2, high, wide);
        var (whole, tiled) = (vae.Decode(latents), Stepped(vae, latents, side, decode: true));
        var scale = vae.Config.SpatialStride;
        foreach (var (from, to) in new[] { (0, 12), (28, 40) })
            // rounding depends on where a convolution's own tiles lie
            Near.Equal(
                whole.narrow(4, from * scale, (to - from) * scale),
                tiled.narrow(4, from * scale, (to - from) * scale),
                5e-5
            );
        var between = (whole - tiled).abs().Slice(4, (12 * scale)..(28 * scale));
        Assert.InRange(between.max().ToDouble(), 1e-3, 0.25);
    }

    // Random weights mix far pixels more than trained ones do, and a tile of sixteen latent pixels is half the usual
    // one.
    [Theory]
    [InlineData(true, 0.35)]
    [InlineData(false, 0.35)]
    public void BlendedPicturesStayNearWholeOnes(bool decode, double bound)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Made(attention: true);
        using var owned = weights;
        var x = decode ? WanVaeTests.Noise(1, 1, 4, 3, 16, 28) : WanVaeTests.Noise(2, 1, 3, 9, 64, 112).clamp(-1, 1);
        var (whole, tiled) = (decode ? vae.Decode(x) : vae.Encode(x), Stepped(vae, x, 16, decode));
        double Root(Tensor t) => Math.Sqrt(t.square().mean().ToDouble());
        Assert.InRange(Root(whole - tiled) / Root(whole - whole.mean()), 1e-6, bound);
    }

    [Theory]
    [InlineData(36, 24, 2)]
    [InlineData(104, 32, 4)]
    [InlineData(33, 32, 2)]
    [InlineData(8, 32, 1)]
    public void ATileOfOnesEverywhereIsAPictureOfOnes(int wide, int side, int across)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = Made(attention: false);
        using var owned = weights;
        foreach (var (name, t) in weights.All)
            t.fill_(0);
        weights.All.ToDictionary()["decoder.head.2.bias"].copy_(torch.full([3], 0.5));
        using var tiles = new VaeTiles(vae, 8, wide, side);
        Assert.Equal(across, tiles.Count);
        Near.Equal(torch.full([1, 3, 1, 32, wide * 4], 0.5), tiles.DecodeStep(torch.zeros([1, 4, 1, 8, wide])), 1e-6);
    }

    [Fact]
    public void LargePicturesAreTiledByTheRuleAndMistakesAreTold()
    {
        using var weights = Weights.Create(new Rng(1));
        Assert.Equal(
            (0, VaeTiles.Side),
            (
                VaeTiles.Automatic(new WanVaeConfig().Geometry, 480, 832),
                VaeTiles.Automatic(new WanVaeConfig().Geometry, 720, 1280)
            )
        );
        Assert.Contains(
            "32 at least",
            Assert.Throws<UserException>(() => new VaeTiles(new WanVae(weights, WanVaeTests.Mini), 90, 160, 4)).Message
        );
    }
}

/// <summary>Ten minutes of video through the autoencoder of wan-tiny, latent by latent.</summary>
[Collection(nameof(Alone))]
public sealed class WanVaeLengthTests : IDisposable
{
    private readonly int threads = Libtorch.Threads;

    // small operators, tens of thousands of them: threads would only wait for each other
    public WanVaeLengthTests() => Libtorch.Threads = 1;

    public void Dispose() => Libtorch.Threads = threads;

    [SkippableFact]
    public void TenMinutesTakeTheMemoryOfTenSecondsAndAreTheWholeDecode()
    {
        Skip.IfNot(File.Exists("/proc/self/clear_refs"), "this system does not tell the peak of a process's memory");
        const double fps = 16;
        var c = WanTiny.Config.Vae;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, c);
        var latents = WanVaeTests.Noise(1, 1, c.ZDim, c.Latents((long)(600 * fps) + 1), 4, 4);
        Decode(40, null); // the first passes of a process make what later ones find
        var (seconds, minutes) = (Decode(c.Latents((long)(10 * fps) + 1), null), Decode(latents.size(2), null));
        Assert.Equal(9601, minutes.Frames);
        Assert.InRange(minutes.Peak / (double)seconds.Peak, 0, 1.05);
        Assert.Equal((seconds.Cache, seconds.Live), (minutes.Cache, minutes.Live));
        // last, for it leaves memory behind that would hide a video kept whole
        var compared = latents.narrow(2, 0, Soak.Of(600, (int)latents.size(2)));
        Decode(compared.size(2), vae.Decode(compared, chunk: 0));

        (long Frames, long Peak, long Cache, long Live) Decode(long count, Tensor? whole)
        {
            GC.Collect();
            File.WriteAllText("/proc/self/clear_refs", "5"); // the peak starts anew
            using var tiles = new VaeTiles(vae, 4, 4);
            long frames = 0,
                cache = 0,
                live = 0,
                before = LiveTensors.Settled();
            // Compared, the first minute goes latent by latent too, the rest in steps of eight.
            for (long t = 0, step; t < count; t += step)
            {
                using var inner = torch.NewDisposeScope();
                step = whole is null || t < 240 ? 1 : Math.Min(8, count - t);
                var part = tiles.DecodeStep(latents.narrow(2, t, step));
                if (whole is not null)
                    Near.Equal(whole.narrow(2, frames, part.size(2)), part, 5e-5, 1e-4);
                frames += part.size(2);
                (cache, live) = (Math.Max(cache, tiles.Bytes), Math.Max(live, Tensor.TotalCount - before));
                if (t % 32 == 0)
                    GC.Collect(0); // else the collector's slack is what is measured
            }
            var peak = File.ReadLines("/proc/self/status")
                .First(l => l.StartsWith("VmHWM", StringComparison.Ordinal))
                .Split(':')[1]
                .Replace("kB", "")
                .Trim();
            return (frames, long.Parse(peak) << 10, cache, live);
        }
    }
}
