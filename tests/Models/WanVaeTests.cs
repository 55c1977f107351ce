using System.Text.Json;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class WanVaeTests
{
    /// <summary>The fixture: its autoencoder, and its tensors as batches of one.</summary>
    private sealed class Reference : IDisposable
    {
        private readonly Dictionary<string, Tensor> tensors = Fixtures.Read("wan_vae");
        private readonly JsonElement json = Fixtures.Json("wan_vae");
        private readonly Weights weights;

        public Reference(ScalarType dtype = ScalarType.Float32)
        {
            var c = json.GetProperty("config");
            T[] All<T>(string name, Func<JsonElement, T> each) =>
                [.. c.GetProperty(name).EnumerateArray().Select(each)];
            weights = Weights.Load(name => tensors["weights/" + name], dtype);
            Vae = new WanVae(
                weights,
                new()
                {
                    Dim = c.GetProperty("dim").GetInt32(),
                    ZDim = c.GetProperty("z_dim").GetInt32(),
                    DimMult = All("dim_mult", n => n.GetInt32()),
                    ResBlocks = c.GetProperty("num_res_blocks").GetInt32(),
                    TemporalDownsample = All("temperal_downsample", n => n.GetBoolean()),
                    Mean = All("wrapper_mean", n => n.GetDouble()),
                    Std = All("wrapper_std", n => n.GetDouble()),
                }
            );
            Assert.Empty(c.GetProperty("attn_scales").EnumerateArray());
            Assert.Equal(
                tensors.Keys.Where(k => k.StartsWith("weights/")).Select(k => k[8..]).Order(),
                weights.All.Select(p => p.Key).Order()
            );
        }

        public WanVae Vae { get; }

        public long[] Chunks => [.. json.GetProperty("stream_chunks").EnumerateArray().Select(n => n.GetInt64())];

        public Tensor this[string name] => tensors[name].unsqueeze(0);

        public void Close(string name, Tensor actual)
        {
            var t = json.GetProperty("tolerance");
            WanVaeTests.Close(
                this["outputs/" + name],
                actual,
                t.GetProperty("atol").GetDouble(),
                t.GetProperty("rtol").GetDouble()
            );
        }

        public void Dispose() => weights.Dispose();
    }

    internal static readonly WanVaeConfig Mini = new()
    {
        Dim = 8,
        ZDim = 4,
        DimMult = [1, 2, 4],
        TemporalDownsample = [true, true],
        ResBlocks = 1,
        Mean = [0.1, -0.2, 0, 0.3],
        Std = [1.5, 0.7, 1, 2],
    };

    private static void Close(Tensor expected, Tensor actual, double absolute = 2e-4, double relative = 1e-4)
    {
        Assert.Equal(expected.shape, actual.shape);
        var worst = ((actual - expected).abs() - expected.abs() * relative).max().ToDouble();
        Assert.True(worst <= absolute, $"off by {(actual - expected).abs().max().ToDouble():g3}");
    }

    internal static Tensor Noise(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: generator);
    }

    private static Tensor[] InSteps(WanVae vae, Tensor latents, params long[] sizes)
    {
        using var cache = new AutoencoderCache();
        var (frames, at) = (new List<Tensor>(), 0L);
        foreach (var size in sizes)
        {
            frames.Add(vae.DecodeStep(latents.narrow(2, at, size), cache));
            at += size;
        }
        return [.. frames];
    }

    // ---- against the reference implementation

    [SkippableTheory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void EncodingAndDecodingGiveTheNumbersOfTheReference(int chunk)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new Reference();
        var (vae, video, tail) = (f.Vae, f["inputs/video"], f["inputs/video_tail"]);
        var (image, latents) = (f["inputs/image"], f["inputs/latents"]);
        f.Close("encode/video_latents", vae.Encode(video, chunk));
        f.Close("encode/video_moments", vae.Moments(video, chunk));
        f.Close("encode/image_latents", vae.Encode(image, chunk));
        f.Close("encode/image_moments", vae.Moments(image, chunk));
        // The reference drops the frames that make no whole latent.
        var g = vae.Geometry;
        f.Close("encode/tail_latents", vae.Encode(tail.narrow(2, 0, g.Frames(g.Latents(tail.size(2)))), chunk));
        f.Close("decode/video", vae.Decode(latents, chunk));
        f.Close("decode/video_unclamped", vae.Decode(latents, chunk, clamp: false));
        f.Close("decode/single_latent_video", vae.Decode(latents.narrow(2, 0, 1), chunk));
    }

    [SkippableFact]
    public void StreamedChunksGiveTheNumbersOfTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new Reference();
        var latents = f["inputs/latents"];
        foreach (var (i, part) in InSteps(f.Vae, latents, f.Chunks).Index())
            f.Close($"stream/chunk{i}", part);
        var single = Enumerable.Repeat(1L, (int)latents.size(2)).ToArray();
        f.Close("decode/video", torch.cat(InSteps(f.Vae, latents, single), 2));
    }

    [SkippableFact]
    public void BrainFloatStaysNearTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var f = new Reference(ScalarType.BFloat16);
        void Near(string name, Tensor actual)
        {
            var expected = f["outputs/" + name];
            Assert.InRange(((actual - expected).norm() / expected.norm()).ToDouble(), 0, 0.03);
        }
        Near("encode/video_latents", f.Vae.Encode(f["inputs/video"], chunk: 0));
        Near("decode/video", f.Vae.Decode(f["inputs/latents"]));
    }

    // ---- any configuration

    [Theory]
    [InlineData(1, 13, 16, 24, 2)]
    [InlineData(2, 13, 16, 24, 2)]
    [InlineData(3, 21, 20, 12, 1)]
    [InlineData(4, 9, 4, 28, 3)]
    [InlineData(7, 25, 8, 4, 1)]
    public void EveryWayThroughTheVideoGivesTheSameValues(int chunk, int frames, int height, int width, int batch)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var video = Noise(1, batch, 3, frames, height, width).clamp(-1, 1);
        var latents = vae.Encode(video, chunk: 0);
        Assert.Equal([batch, 4L, 1 + (frames - 1) / 4, height / 4, width / 4], latents.shape);
        Close(latents, vae.Encode(video, chunk), 1e-5);
        var decoded = vae.Decode(latents, chunk: 0);
        Assert.Equal(video.shape, decoded.shape);
        Close(decoded, vae.Decode(latents, chunk), 1e-5);
        var count = latents.size(2);
        Close(decoded, torch.cat(InSteps(vae, latents, 1, count - 2, 1), 2), 1e-5);
    }

    [Fact]
    public void NoFrameDependsOnALaterOne()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var latents = Noise(2, 1, 4, 4, 4, 4);
        var changed = torch.cat([latents.narrow(2, 0, 2), Noise(3, 1, 4, 2, 4, 4)], 2);
        var (a, b) = (vae.Decode(latents, chunk: 0), vae.Decode(changed, chunk: 0));
        Close(a.narrow(2, 0, 5), b.narrow(2, 0, 5), 1e-6);
        Assert.True((a - b).abs().max().ToDouble() > 1e-3);
    }

    [Fact]
    public void GradientsAreThoseOfFiniteDifferences()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var video = Noise(4, 1, 3, 5, 8, 8);
        weights.Trainable();
        Tensor Loss() => (vae.Decode(vae.Encode(video, chunk: 0), chunk: 0, clamp: false) - video).square().mean();
        Loss().Backward();
        Assert.All(weights.All, p => Assert.True(p.Value.grad is { } g && g.AllFinite(), p.Key));
        using var off = torch.no_grad();
        foreach (
            var name in (string[])
                [
                    "encoder.downsamples.1.time_conv.weight",
                    "encoder.middle.1.proj.weight",
                    "decoder.upsamples.2.time_conv.bias",
                    "decoder.head.0.gamma",
                ]
        )
        {
            var (parameter, h) = (weights.All.ToDictionary()[name], 3e-3);
            var direction = parameter.grad! / parameter.grad!.norm();
            parameter.add_(direction, h);
            var up = Loss().ToDouble();
            parameter.add_(direction, -2 * h);
            var down = Loss().ToDouble();
            parameter.add_(direction, h);
            var slope = parameter.grad!.norm().ToDouble();
            Assert.True(
                Math.Abs((up - down) / (2 * h) - slope) < 0.01 * slope + 1e-5,
                $"{name}: {(up - down) / (2 * h)} against {slope}"
            );
        }
    }

    [Fact]
    public void ChunkedPassesCarryTheSameGradient()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var latents = Noise(5, 1, 4, 3, 2, 2).requires_grad_();
        vae.Decode(latents, chunk: 0, clamp: false).square().sum().Backward();
        var whole = latents.grad!.clone();
        latents.grad = null;
        vae.Decode(latents, clamp: false).square().sum().Backward();
        Close(whole, latents.grad!, 1e-4, 1e-4);
    }

    [Fact]
    public void AnImageLatentIsTheLastFrameEncodedAlone()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini with { WarmUp = 3 });
        var latents = Noise(6, 2, 4, 6, 4, 4);
        var video = vae.Decode(latents);
        foreach (var index in (long[])[0, 2, 3])
            Close(vae.Encode(video.narrow(2, 4 * index, 1)), vae.ImageLatent(latents, index), 1e-5);
        var late = vae.ImageLatent(latents, 5);
        Close(vae.ImageLatent(latents.narrow(2, 2, 4), 3), late, 1e-5);
        var one = latents.narrow(0, 1, 1);
        Close(
            torch.cat([.. ((long[])[3, 0, 5, 1]).Select(i => vae.ImageLatent(one, i))]),
            vae.ImageLatents(one, [3, 0, 5, 1]),
            1e-5
        );
    }

    [Fact]
    public void WrongSizesAreToldToThePerson()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        Assert.Equal(
            "a video of 7 frames cannot be encoded: the count must be 1 + 4 k; try 5 or 9",
            Assert.Throws<UserException>(() => vae.Encode(torch.zeros([1, 3, 7, 8, 8]))).Message
        );
        Assert.Contains(
            "multiples of 4",
            Assert.Throws<UserException>(() => vae.Encode(torch.zeros([1, 3, 5, 8, 6]))).Message
        );
        Assert.Contains(
            "one for each of the 5",
            Assert.Throws<UserException>(() => new WanVae(weights, Mini with { ZDim = 5 })).Message
        );
        Assert.Contains(
            "one fewer",
            Assert.Throws<UserException>(() => new WanVae(weights, Mini with { DimMult = [1, 2] })).Message
        );
    }
}
