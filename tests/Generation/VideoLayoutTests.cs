using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Generation;

/// <summary>Videos of a tiny random Wan, out of every layout.</summary>
[Collection(nameof(Alone))]
public sealed class VideoLayoutTests : IDisposable
{
    private readonly WanTiny tiny = new();

    public void Dispose() => tiny.Dispose();

    private static readonly VideoRequest request = new()
    {
        Prompt = "a red cat",
        Seed = 3,
        Steps = 3,
        Guidance = 3,
        Network = Network.Teacher,
    };

    private static (Tensor Latents, byte[] Frames) Video(
        string path,
        VideoRequest request,
        ScalarType dtype = ScalarType.BFloat16
    )
    {
        using var files = ModelFiles.Open(path);
        using var model = new VideoGenerator(files, request, dtype);
        var latents = model.Sample(request);
        return (latents, [.. model.Decode(latents).SelectMany(f => f.Rgb)]);
    }

    [Fact]
    public void TheVideoIsTheSameInEveryLayout()
    {
        using var scope = torch.NewDisposeScope();
        var (latents, frames) = Video(tiny["own"], request);
        Assert.Equal([1, 4, 3, 4, 4], latents.shape);
        Assert.Equal(5 * 16 * 16 * 3, frames.Length);
        foreach (var layout in (Layout[])[Layout.Wan, Layout.Diffusers, Layout.Comfy, Layout.LongTake])
        {
            var (same, seen) = Video(tiny.Convert(tiny["own"], layout, $"as-{layout}"), request);
            Assert.True(latents.SameAs(same), $"{layout}: other latents");
            Assert.True(frames.AsSpan().SequenceEqual(seen), $"{layout}: other frames");
        }
        // its average equals the transformer, the generator is another
        File.Copy(tiny.Research(), tiny["as-Wan", "self_forcing.pt"]);
        Assert.True(
            latents.SameAs(
                Video(tiny["as-Wan"], request with { Part = "generator_ema", Sampler = Sampler.UniPc }).Latents
            )
        );
        Assert.False(
            latents.SameAs(Video(tiny["as-Wan"], request with { Part = "generator", Sampler = Sampler.UniPc }).Latents)
        );
    }

    [Fact]
    public void AVideoIsWhatTheSolverMakesOfTheTransformer()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var files = ModelFiles.Open(tiny["own"]);
        var c = files.Config;
        using var textWeights = Weights.Load(files.Require(PartKind.TextEncoder).Source());
        var text = new TextEncoder(textWeights, c.Text, Vocabulary.Read(files.Tokenizer), c.Wan.TextLength);
        using var weights = Weights.Load(files.Require(PartKind.Transformer).Source());
        var wan = new Transformer(weights, c.Model, ScalarType.Float32);
        var (with, without) = (text.Encode(["a red cat"]), text.Encode(["a hat"]));
        using var g = new torch.Generator((ulong)new Rng(3).Seed());
        var x = torch.randn([1, 4, 3, 4, 6], generator: g);
        using var solver = new UniPcSolver(4, 2);
        foreach (var t in solver.Timesteps)
        {
            var (v, u) = (wan.Forward(x, torch.full([1], t), with), wan.Forward(x, torch.full([1], t), without));
            x = solver.Step(x, u + (v - u) * 3);
        }
        var made = Video(
            tiny["own"],
            request with
            {
                NegativePrompt = "a hat",
                Steps = 4,
                Shift = 2,
                Width = 24,
            },
            ScalarType.Float32
        ).Latents;
        Near.Equal(x, made, 1e-5);
    }

    [Fact]
    public void EverySamplerMakesAVideoOfItsOwn()
    {
        using var scope = torch.NewDisposeScope();
        // of one clip these are Causal
        var videos = Enum.GetValues<Sampler>()
            .Where(s => s is not (Sampler.Segments or Sampler.InfinityRope))
            .Select(s =>
                Video(
                    tiny["own"],
                    request with
                    {
                        Sampler = s,
                        Guidance = s.LooksBack() ? null : request.Guidance,
                    }
                ).Latents
            )
            .ToList();
        Assert.All(videos, f => Assert.True(f.AllFinite()));
        for (var i = 0; i < videos.Count; i++)
            Assert.DoesNotContain(videos.Skip(i + 1), f => videos[i].SameAs(f));
    }

    [Fact]
    public void WhatIsNotSaidIsTheModels()
    {
        tiny.Convert(tiny["own"], Layout.Wan, "wan");
        File.Delete(tiny["wan", ModelFiles.ConfigFile]);
        File.WriteAllText(tiny["wan", "config.json"], """{ "num_heads": 2, "text_len": 16 }""");
        File.Copy(tiny.Research("elsewhere/model.pt"), tiny["wan", "model.pt"]);
        using var files = ModelFiles.Open(tiny["wan"]);
        var plain = new VideoRequest { Prompt = "a cat" };
        var r = plain.Resolve(files);
        Assert.Equal(
            (Network.Teacher, Sampler.UniPc, 50, 3.0, 5.0),
            (r.Network, r.Sampler, r.Steps, r.Shift, r.Guidance)
        );
        Assert.Contains("JPEG", r.NegativePrompt);
        Assert.Equal(21, r.Latents);
        Assert.Equal(5, (plain with { Width = 1280, Height = 720 }).Resolve(files).Shift);
        Assert.Equal(8, (plain with { Width = 1280, Height = 720, Shift = 8 }).Resolve(files).Shift);
        var few = (plain with { Part = "generator_ema" }).Resolve(files);
        Assert.Equal((Sampler.Causal, 4, 1.0), (few.Sampler, few.Steps, few.Guidance));
        var minute = (plain with { Part = "generator_ema", Frames = files.Config.Frames(243) }).Resolve(files);
        Assert.Equal(
            (Network.Transformer, Sampler.Causal, 21),
            (minute.Network, minute.Sampler, minute.Causal().Window)
        );
        // no whole blocks: the video is cut
        Assert.Equal(241, (plain with { Part = "generator_ema", Frames = 481 }).Resolve(files).Latents);
        Assert.All(new CausalSampling().Timesteps.Zip(few.Causal().Timesteps), t =>
            Assert.Equal(t.First, t.Second, 1e-4)
        );
    }

    /// <summary>A small text encoder stays in memory: nothing is written for it.</summary>
    [Fact]
    public void ASmallEncodersTextsAreNotKeptOnDisk()
    {
        using var scope = torch.NewDisposeScope();
        var once = request with { Prompt = $"the cat at the door {Guid.NewGuid()}" };
        var first = Video(tiny["own"], once).Latents;
        Assert.True(first.SameAs(Video(tiny.Convert(tiny["own"], Layout.Comfy, "comfy"), once).Latents));
        Assert.False(Directory.Exists(Path.Combine(Environment.GetEnvironmentVariable("LONGTAKE_CACHE")!, "text")));
    }

    [Theory]
    [InlineData(4, null, null, "frames 4: a video has 1 + 2k frames; the nearest counts are 3 and 5")]
    [InlineData(99, null, null, "frames 99: this model makes videos of 1 to 13 frames")]
    [InlineData(null, 20, null, "size 20x16: the width must be a multiple of 8; the nearest are 16 and 24")]
    [InlineData(null, null, 3, "size 16x3: the height must be a multiple of 8; the nearest are 8 and 16")]
    public void SizesThatCannotBeAreRefusedWithTheNearest(int? frames, int? width, int? height, string said)
    {
        using var files = ModelFiles.Open(tiny["own"]);
        Assert.Equal(
            said,
            Assert
                .ThrowsAny<UserException>(() =>
                    (request with { Frames = frames, Width = width, Height = height }).Resolve(files)
                )
                .Message
        );
    }

    [Theory]
    [InlineData("vae/diffusion_pytorch_model.safetensors", "no autoencoder here")]
    [InlineData("text_encoder/model.safetensors", "no text encoder here")]
    [InlineData("transformer/diffusion_pytorch_model.safetensors", "no transformer here")]
    [InlineData("tokenizer/spiece.model", "no tokenizer here")]
    public void APartThatIsMissingIsNamed(string file, string said)
    {
        using var scope = torch.NewDisposeScope();
        var path = tiny.Convert(tiny["own"], Layout.Diffusers, "there");
        File.Delete(Path.Combine(path, file));
        Assert.Contains(said, Assert.ThrowsAny<UserException>(() => Video(path, request)).Message);
    }

    [Fact]
    public void PicturesAreNotTakenByModelsWithoutPlaceForThem()
    {
        using var files = ModelFiles.Open(tiny["own"]);
        Assert.Contains(
            "text-to-video model, which takes no picture",
            Assert.ThrowsAny<UserException>(() => (request with { Image = "a.png" }).Resolve(files)).Message
        );
    }
}
