using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Checkpoints;
using LongTake.Tests.Video;

namespace LongTake.Tests.Generation;

/// <summary>Videos that start with a picture, of a tiny random image-to-video Wan.</summary>
[Collection(nameof(Alone))]
public sealed class FirstFrameTests : IDisposable
{
    private readonly WanTiny tiny = new(pictures: true);
    private readonly VideoRequest request;

    public FirstFrameTests()
    {
        // 30 pixels across, 15 down, a slope and a stripe; PPM, which needs no encoder.
        var rgb = Enumerable
            .Range(0, 30 * 15 * 3)
            .Select(i => (byte)(i / 3 % 30 * 8 + (i / 90 == 7 ? 15 : 0)))
            .ToArray();
        File.WriteAllBytes(tiny["first.ppm"], [.. "P6\n30 15\n255\n"u8, .. rgb]);
        request = new()
        {
            Prompt = "a red cat",
            Seed = 3,
            Steps = 3,
            Guidance = 3,
            Network = Network.Teacher,
            Image = tiny["first.ppm"],
        };
    }

    public void Dispose() => tiny.Dispose();

    private static (Tensor Latents, byte[] Frames) Video(
        string path,
        VideoRequest request,
        ScalarType dtype = ScalarType.Float32,
        Offload offload = Offload.Auto
    )
    {
        using var files = ModelFiles.Open(path);
        using var model = new VideoGenerator(files, request, dtype, offload: offload);
        var latents = model.Sample(request);
        return (latents, [.. model.Decode(latents).SelectMany(f => f.Rgb)]);
    }

    [Theory]
    [InlineData(1920, 1080, 832, 464)]
    [InlineData(1080, 1920, 464, 832)]
    [InlineData(512, 512, 624, 624)]
    [InlineData(832, 480, 832, 464)] // the root of 230400 - 3e-11 is no 480; so it is in the reference
    [InlineData(9000, 10, 18944, 16)] // beyond any use, but a size
    public void TheVideoHasTheModelsAreaInThePicturesShape(int width, int height, int toWidth, int toHeight)
    {
        var wan = new ModelConfig { Width = 832, Height = 480 };
        Assert.Equal((toWidth, toHeight), FirstFrame.Size(wan, width, height));
    }

    [SkippableFact]
    public void TheVideoIsTheSameInEveryLayout()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var scope = torch.NewDisposeScope();
        var (latents, frames) = Video(tiny["own"], request);
        Assert.Equal([1, 4, 3, 2, 4], latents.shape); // 16 x 8 pixels: sides of 22.6 and 11.3 cut down to eights
        foreach (var layout in (Layout[])[Layout.Wan, Layout.Diffusers, Layout.Comfy, Layout.LongTake])
        {
            var (same, seen) = Video(tiny.Convert(tiny["own"], layout, $"as-{layout}"), request);
            Assert.True(latents.SameAs(same), $"{layout}: other latents");
            Assert.True(frames.AsSpan().SequenceEqual(seen), $"{layout}: other frames");
        }
        Assert.True(latents.SameAs(Video(tiny["own"], request, offload: Offload.On).Latents));
        Assert.False(latents.SameAs(Video(tiny["own"], request with { Width = 16, Height = 16 }).Latents));
        // The student that convert makes is Wan in both heads, so it makes Wan's video.
        Near.Equal(
            latents,
            Video(
                tiny["as-LongTake"],
                request with
                {
                    Network = Network.DmHead,
                    Sampler = Sampler.UniPc,
                    Frames = 5,
                }
            ).Latents,
            1e-5
        );
    }

    [SkippableFact]
    public void AVideoIsWhatTheSolverMakesOfPictureAndPrompt()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var files = ModelFiles.Open(tiny["own"]);
        var c = files.Config;
        Weights Load(PartKind kind) => Weights.Load(files.Require(kind).Source());
        using var textWeights = Load(PartKind.TextEncoder);
        var text = new TextEncoder(textWeights, c.Text, Vocabulary.Read(files.Tokenizer!), c.Wan.TextLength);
        using Weights transformer = Load(PartKind.Transformer),
            autoencoder = Load(PartKind.Vae),
            clip = Load(PartKind.ImageEncoder);
        var (wan, vae) = (new Transformer(transformer, c.Model, ScalarType.Float32), c.Model.Autoencoder(autoencoder));
        var bytes = File.ReadAllBytes(tiny["first.ppm"])[^(30 * 15 * 3)..];
        var picture = (Tensor.From<byte>(bytes, 15, 30, 3).to(ScalarType.Float32) / 255 * 2 - 1)
            .permute(2, 0, 1)
            .unsqueeze(0)
            .contiguous();

        // The clip: the picture at the video's size, then four frames of nothing, encoded at once; beside each latent
        // two channels of mask.
        var encoded = vae.Encode(
            torch.cat(
                [
                    torch
                        .nn.functional.interpolate(
                            picture,
                            [16, 24],
                            mode: torch.InterpolationMode.Bicubic,
                            align_corners: false
                        )
                        .unsqueeze(2),
                    torch.zeros([1, 3, 4, 16, 24]),
                ],
                2
            ),
            chunk: 0
        );
        var mask = new float[2 * 3 * 4 * 6];
        for (var channel = 0; channel < 2; channel++)
            Array.Fill(mask, 1, channel * 3 * 24, 24);
        var image = new ImageCondition(
            new ClipVision(clip, c.Clip!).Forward(picture),
            torch.cat([Tensor.From<float>(mask, 1, 2, 3, 4, 6), encoded], 1)
        );

        var (with, without) = (text.Encode(["a red cat"]), text.Encode(["a hat"]));
        using var g = new torch.Generator((ulong)new Rng(3).Seed());
        var x = torch.randn([1, 4, 3, 4, 6], generator: g);
        using var solver = new UniPcSolver(4, 2);
        foreach (var t in solver.Timesteps)
        {
            var (v, u) = (
                wan.Forward(x, torch.full([1], t), with, image),
                wan.Forward(x, torch.full([1], t), without, image)
            );
            x = solver.Step(x, u + (v - u) * 3);
        }
        var asked = request with { NegativePrompt = "a hat", Steps = 4, Shift = 2, Width = 24, Height = 16 };
        Near.Equal(x, Video(tiny["own"], asked).Latents, 2e-5);
        Near.Equal(
            vae.Decode(x, chunk: 0).Slice(2, ..1),
            vae.Decode(Video(tiny["own"], asked).Latents, chunk: 0).Slice(2, ..1),
            1e-4
        );
    }

    [SkippableFact]
    public void ALongVideoGoesOnFromTheLastFrameOfItsWindow()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var scope = torch.NewDisposeScope();
        // five latents of a model whose clips have three
        var asked = request with { Frames = 9, Width = 16, Height = 16 };
        var (latents, _) = Video(tiny["own"], asked);
        Assert.Equal([1, 4, 5, 4, 4], latents.shape);
        Assert.True(latents.AllFinite());
        // all at once
        var whole = Video(
            tiny.Convert(tiny["own"], Layout.Wan, "wan"),
            asked with
            {
                Network = Network.Transformer,
            }
        ).Latents;
        Assert.Equal(latents.shape, whole.shape);
        Assert.False(latents.SameAs(whole));
    }

    [SkippableFact]
    public void WhatIsNotSaidIsTheModels()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var files = ModelFiles.Open(tiny["own"]);
        var r = new VideoRequest { Prompt = "a cat", Image = tiny["first.ppm"] }.Resolve(files);
        Assert.Equal((Sampler.UniPc, 40, 16, 8), (r.Sampler, r.Steps, r.Width, r.Height));
    }

    [SkippableTheory]
    [InlineData(null, null, "image: teacher is an image-to-video model")]
    [InlineData("nowhere.png", null, "no such picture")]
    [InlineData("text.png", null, "not a picture that can be read whole")]
    [InlineData("cut.ppm", null, "not a picture that can be read whole")]
    [InlineData("first.ppm", Sampler.Causal, "looks at the whole video")]
    public void MistakesAreTold(string? image, Sampler? sampler, string said)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        File.WriteAllText(tiny["text.png"], "no picture at all");
        File.WriteAllBytes(tiny["cut.ppm"], File.ReadAllBytes(tiny["first.ppm"])[..700]);
        using var files = ModelFiles.Open(tiny["own"]);
        var e = Assert.ThrowsAny<UserException>(() =>
            (request with { Image = image is null ? null : tiny[image], Sampler = sampler }).Resolve(files)
        );
        Assert.Contains(said, e.Message);
        Assert.True(e.Usage);
    }

    [SkippableFact]
    public void AModelWithoutItsImageEncoderSaysWhereItIs()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var scope = torch.NewDisposeScope();
        var path = tiny.Convert(tiny["own"], Layout.Diffusers, "there");
        Directory.Delete(Path.Combine(path, "image_encoder"), recursive: true);
        Assert.Contains(
            "image_encoder in a diffusers folder",
            Assert.ThrowsAny<UserException>(() => Video(path, request)).Message
        );
    }
}
