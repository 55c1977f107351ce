using LongTake.Models;

namespace LongTake.Tests.Models;

public class WanVaeTests
{
    private static readonly WanVaeConfig Reference = new() { Dim = 6 };

    internal static readonly WanVaeConfig Mini = new()
    {
        Dim = 8, ZDim = 4, DimMult = [1, 2, 4], TemporalDownsample = [true, true], ResBlocks = 1,
        Mean = [0.1, -0.2, 0, 0.3], Std = [1.5, 0.7, 1, 2],
    };

    private static void Close(Tensor expected, Tensor actual, double absolute = 2e-4, double relative = 1e-4)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var worst = Max(Abs(actual - expected) - Abs(expected) * relative).Scalar();
        Assert.True(worst <= absolute, $"off by {Max(Abs(actual - expected)).Scalar():g3}");
    }

    internal static Tensor Noise(int seed, params long[] shape)
    {
        using var generator = new Generator(seed);
        return generator.Normal(shape);
    }

    private static Tensor[] InSteps(WanVae vae, Tensor latents, params long[] sizes)
    {
        using var cache = new WanVaeCache();
        var (frames, at) = (new List<Tensor>(), 0L);
        foreach (var size in sizes)
        {
            frames.Add(vae.DecodeStep(Narrow(latents, 2, at, size), cache));
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
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        Assert.Equal(fixture.Keys.Where(k => k.StartsWith("weights/")).Select(k => k[8..]).Order(), weights.All.Select(p => p.Key).Order());

        Tensor Output(string name) => fixture["outputs/" + name].Unsqueeze(0);
        var (video, image, latents) = (fixture["inputs/video"].Unsqueeze(0), fixture["inputs/image"].Unsqueeze(0), fixture["inputs/latents"].Unsqueeze(0));
        Close(Output("encode/video_latents"), vae.Encode(video, chunk));
        Close(Output("encode/video_moments"), vae.Moments(video, chunk));
        Close(Output("encode/image_latents"), vae.Encode(image, chunk));
        Close(Output("encode/image_moments"), vae.Moments(image, chunk));
        Close(Output("encode/tail_latents"), vae.Encode(Narrow(fixture["inputs/video_tail"].Unsqueeze(0), 2, 0, 5), chunk));
        Close(Output("decode/video"), vae.Decode(latents, chunk));
        Close(Output("decode/video_unclamped"), vae.Decode(latents, chunk, clamp: false));
        Close(Output("decode/single_latent_video"), vae.Decode(Narrow(latents, 2, 0, 1), chunk));
    }

    [SkippableFact]
    public void StreamedChunksGiveTheNumbersOfTheReference()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name]);
        var vae = new WanVae(weights, Reference);
        var latents = fixture["inputs/latents"].Unsqueeze(0);
        var parts = InSteps(vae, latents, 2, 2, 1);
        for (var i = 0; i < 3; i++) Close(fixture[$"outputs/stream/chunk{i}"].Unsqueeze(0), parts[i]);
        Close(fixture["outputs/decode/video"].Unsqueeze(0), Cat(InSteps(vae, latents, 1, 1, 1, 1, 1), 2));
    }

    [SkippableFact]
    public void BrainFloatStaysNearTheReference()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        var fixture = Fixtures.Read("wan_vae");
        using var weights = Weights.Load(name => fixture["weights/" + name], Dtype.BF16);
        var vae = new WanVae(weights, Reference);
        var (video, latents) = (fixture["inputs/video"].Unsqueeze(0), fixture["inputs/latents"].Unsqueeze(0));
        Close(fixture["outputs/encode/video_latents"].Unsqueeze(0), vae.Encode(video, chunk: 0), 0.1);
        Close(fixture["outputs/decode/video"].Unsqueeze(0), vae.Decode(latents), 0.15);
    }

    // ---- any configuration

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void EveryWayThroughTheVideoGivesTheSameValues(int chunk)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var video = Clamp(Noise(1, 2, 3, 13, 16, 24), -1, 1);
        var latents = vae.Encode(video, chunk: 0);
        Assert.Equal([2L, 4, 4, 4, 6], latents.Shape);
        Close(latents, vae.Encode(video, chunk), 1e-5);
        var decoded = vae.Decode(latents, chunk: 0);
        Assert.Equal(video.Shape, decoded.Shape);
        Close(decoded, vae.Decode(latents, chunk), 1e-5);
        Close(decoded, Cat(InSteps(vae, latents, 1, 2, 1), 2), 1e-5);
    }

    [Fact]
    public void NoFrameDependsOnALaterOne()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var latents = Noise(2, 1, 4, 4, 4, 4);
        var changed = Cat([Narrow(latents, 2, 0, 2), Noise(3, 1, 4, 2, 4, 4)], 2);
        var (a, b) = (vae.Decode(latents, chunk: 0), vae.Decode(changed, chunk: 0));
        Close(Narrow(a, 2, 0, 5), Narrow(b, 2, 0, 5), 1e-6);
        Assert.True(Max(Abs(a - b)).Scalar() > 1e-3);
    }

    [Fact]
    public void GradientsAreThoseOfFiniteDifferences()
    {
        using var scope = new Scope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var video = Noise(4, 1, 3, 5, 8, 8);
        weights.Trainable();
        Tensor Loss() => Mean(Square(vae.Decode(vae.Encode(video, chunk: 0), chunk: 0, clamp: false) - video));
        Loss().Backward();
        Assert.All(weights.All, p => Assert.True(p.Value.Grad is { } g && AllFinite(g), p.Key));
        using var off = GradMode.Off();
        foreach (var name in (string[])["encoder.downsamples.1.time_conv.weight", "encoder.middle.1.proj.weight", "decoder.upsamples.2.time_conv.bias", "decoder.head.0.gamma"])
        {
            var (parameter, h) = (weights.All.ToDictionary()[name], 3e-3);
            var direction = parameter.Grad! / Norm(parameter.Grad!);
            Add_(parameter, direction, h);
            var up = Loss().Scalar();
            Add_(parameter, direction, -2 * h);
            var down = Loss().Scalar();
            Add_(parameter, direction, h);
            var slope = Norm(parameter.Grad!).Scalar();
            Assert.True(Math.Abs((up - down) / (2 * h) - slope) < 0.01 * slope + 1e-5, $"{name}: {(up - down) / (2 * h)} against {slope}");
        }
    }

    [Fact]
    public void ChunkedPassesCarryTheSameGradient()
    {
        using var scope = new Scope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        var latents = Noise(5, 1, 4, 3, 2, 2).RequiresGrad_();
        Sum(Square(vae.Decode(latents, chunk: 0, clamp: false))).Backward();
        var whole = latents.Grad!.Clone();
        latents.Grad = null;
        Sum(Square(vae.Decode(latents, clamp: false))).Backward();
        Close(whole, latents.Grad!, 1e-4, 1e-4);
    }

    [Fact]
    public void AnImageLatentIsTheLastFrameEncodedAlone()
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini with { WarmUp = 3 });
        var latents = Noise(6, 2, 4, 6, 4, 4);
        var video = vae.Decode(latents);
        foreach (var index in (long[])[0, 2, 3])
            Close(vae.Encode(Narrow(video, 2, 4 * index, 1)), vae.ImageLatent(latents, index), 1e-5);
        var late = vae.ImageLatent(latents, 5);
        Close(vae.ImageLatent(Narrow(latents, 2, 2, 4), 3), late, 1e-5);
        var film = Narrow(latents, 0, 1, 1);
        Close(Cat([.. ((long[])[3, 0, 5, 1]).Select(i => vae.ImageLatent(film, i))]), vae.ImageLatents(film, [3, 0, 5, 1]), 1e-5);
    }

    [Fact]
    public void WrongSizesAreToldToThePerson()
    {
        using var scope = new Scope();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, Mini);
        Assert.Equal("a video of 7 frames cannot be encoded: the count must be 1 + 4 k; try 5 or 9",
            Assert.Throws<UserException>(() => vae.Encode(Zeros([1, 3, 7, 8, 8]))).Message);
        Assert.Contains("multiples of 4", Assert.Throws<UserException>(() => vae.Encode(Zeros([1, 3, 5, 8, 6]))).Message);
        Assert.Contains("one for each of the 5", Assert.Throws<UserException>(() => new WanVae(weights, Mini with { ZDim = 5 })).Message);
        Assert.Contains("one fewer", Assert.Throws<UserException>(() => new WanVae(weights, Mini with { DimMult = [1, 2] })).Message);
    }
}

[Collection(nameof(Alone))]
public class WanVaeMemoryTests
{
    [Fact]
    public void StreamingHoldsNothingButItsCache()
    {
        using var outer = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(1));
        var vae = new WanVae(weights, WanVaeTests.Mini);
        var before = Tensor.Live;
        var (live, bytes) = (new List<long>(), new List<long>());
        using (var cache = new WanVaeCache())
        {
            for (var step = 0; step < 5; step++)
            {
                using (var scope = new Scope()) vae.DecodeStep(WanVaeTests.Noise(step, 1, 4, 1, 4, 4), cache);
                live.Add(Tensor.Live);
                bytes.Add(cache.Bytes);
            }
        }
        Assert.Single(live[1..].Distinct());
        Assert.Single(bytes[1..].Distinct());
        Assert.Equal(before, Tensor.Live);
    }

    [Theory]
    [InlineData(4, 1)]
    [InlineData(4, 0)]
    [InlineData(12, 1)]
    public void FewChannelsAreThoseOfLibtorchsConvolutions(int dim, int chunk)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var weights = Weights.Create(new Rng(6));
        var c = new WanVaeConfig { Dim = dim, ZDim = 4, DimMult = [1, 2, 1], ResBlocks = 1, TemporalDownsample = [true, true], Mean = [], Std = [] };
        using var g = new Generator(7);
        var (exact, half) = (new WanVae(weights, c), new WanVae(weights, c, Dtype.BF16));
        foreach (var (_, tensor) in weights.All) Copy_(tensor, tensor + g.Normal(tensor.Shape) * 0.1);
        var (video, latents) = (Clamp(g.Normal(2, 3, 17, 16, 24) * 0.5, -1, 1), g.Normal(2, 4, 5, 4, 6));
        (Tensor, Tensor) Both(WanVae vae) => (vae.Encode(video, chunk), vae.Decode(latents, chunk, clamp: false));
        static double Error(Tensor a, Tensor b) => (Norm(a - b) / Norm(b)).Scalar();
        weights.Trainable();   // which these operators are not for
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
