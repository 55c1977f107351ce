using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class WanVaeTests
{
    private static readonly WanVaeConfig Reference = new() { Dim = 6 };

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
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        Assert.Equal(
            fixture.Keys.Where(k => k.StartsWith("weights/")).Select(k => k[8..]).Order(),
            weights.All.Select(p => p.Key).Order()
        );

        Tensor Output(string name) => fixture["outputs/" + name].unsqueeze(0);
        var (video, image, latents) = (
            fixture["inputs/video"].unsqueeze(0),
            fixture["inputs/image"].unsqueeze(0),
            fixture["inputs/latents"].unsqueeze(0)
        );
        Close(Output("encode/video_latents"), vae.Encode(video, chunk));
        Close(Output("encode/video_moments"), vae.Moments(video, chunk));
        Close(Output("encode/image_latents"), vae.Encode(image, chunk));
        Close(Output("encode/image_moments"), vae.Moments(image, chunk));
        Close(
            Output("encode/tail_latents"),
            vae.Encode(fixture["inputs/video_tail"].unsqueeze(0).narrow(2, 0, 5), chunk)
        );
        Close(Output("decode/video"), vae.Decode(latents, chunk));
        Close(Output("decode/video_unclamped"), vae.Decode(latents, chunk, clamp: false));
        Close(Output("decode/single_latent_video"), vae.Decode(latents.narrow(2, 0, 1), chunk));
    }

    [SkippableFact]
    public void StreamedChunksGiveTheNumbersOfTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        var latents = fixture["inputs/latents"].unsqueeze(0);
        var parts = InSteps(vae, latents, 2, 2, 1);
        for (var i = 0; i < 3; i++)
            Close(fixture[$"outputs/stream/chunk{i}"].unsqueeze(0), parts[i]);
        Close(fixture["outputs/decode/video"].unsqueeze(0), torch.cat(InSteps(vae, latents, 1, 1, 1, 1, 1), 2));
    }

    [SkippableFact]
    public void BrainFloatStaysNearTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name], ScalarType.BFloat16);
        var vae = new WanVae(weights, Reference);
        var (video, latents) = (fixture["inputs/video"].unsqueeze(0), fixture["inputs/latents"].unsqueeze(0));
        Close(fixture["outputs/encode/video_latents"].unsqueeze(0), vae.Encode(video, chunk: 0), 0.1);
        Close(fixture["outputs/decode/video"].unsqueeze(0), vae.Decode(latents), 0.15);
    }

    // ---- any configuration

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void EveryWayThroughTheVideoGivesTheSameValues(int chunk)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var video = Noise(1, 2, 3, 13, 16, 24).clamp(-1, 1);
        var latents = vae.Encode(video, chunk: 0);
        Assert.Equal([2L, 4, 4, 4, 6], latents.shape);
        Close(latents, vae.Encode(video, chunk), 1e-5);
        var decoded = vae.Decode(latents, chunk: 0);
        Assert.Equal(video.shape, decoded.shape);
        Close(decoded, vae.Decode(latents, chunk), 1e-5);
        Close(decoded, torch.cat(InSteps(vae, latents, 1, 2, 1), 2), 1e-5);
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
