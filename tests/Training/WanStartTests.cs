using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>
/// The recipes for Wan's sizes, run on a Wan of tiny sizes: from a folder in Wan's layout to a student that makes
/// videos.
/// </summary>
[Collection(nameof(Alone))]
public sealed class WanStartTests : IDisposable
{
    private readonly WanTiny tiny = new();

    public void Dispose() => tiny.Dispose();

    public static string Recipes([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "..", "recipes", "wan-1.3b"));

    private string Data()
    {
        var folder = tiny["data"];
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        for (var i = 0; i < 3; i++)
            Tests.Data.Videos.Write(tiny[$"take-{i}.mp4"], 1, t => t + 40 * i, 16, 16);
        VideoSet.Write(
            folder,
            new(
                16,
                [],
                [
                    .. Enumerable
                        .Range(0, 3)
                        .Select(i => new Footage(
                            $"take-{i}",
                            tiny[$"take-{i}.mp4"],
                            $"{i}",
                            0,
                            null,
                            16,
                            13,
                            16,
                            16,
                            null
                        )),
                ],
                [
                    .. Enumerable
                        .Range(0, 3)
                        .Select(i => new VideoItem(
                            new($"take-{i}", "take", 7, "a red cat") { HeldOut = i == 2, Locals = ["at the door", ""] },
                            $"take-{i}",
                            0,
                            13
                        )),
                ]
            )
        );
        return folder;
    }

    private TrainRecipe Shrunk(string name, string from, string data, string output, bool recompute = true)
    {
        var recipe = Recipe.Read(Path.Combine(Recipes(), name), [], TrainJson.Recipe);
        Assert.Empty(recipe.Problems());
        return recipe with
        {
            From = from,
            Data = data,
            Out = output,
            Threads = 1,
            Model = WanTiny.Config with { NegativePrompt = "the hat", Guidance = 3 },
            Stages =
            [
                .. recipe.Stages.Select(s =>
                    Own(s) with
                    {
                        Loop = s.Loop with
                        {
                            Steps = 2,
                            Accumulation = 2,
                            Recompute = recompute,
                            CheckpointEvery = 2,
                            ValidateEvery = 2,
                            SampleEvery = 0,
                        },
                    }
                ),
            ],
        };

        static StageConfig Own(StageConfig stage) =>
            stage.Method == Mmm.Entry.Name
                ? stage.With((MmmConfig)stage.Settings(Mmm.Entry) with { CriticFirst = 0 })
                : stage;
    }

    [Fact]
    public void FromAWanFolderTheRecipesEndInAStudentThatMakesVideos()
    {
        tiny.Convert(tiny["own"], Layout.Wan, "wan");
        var threads = Libtorch.Threads;
        try
        {
            var (data, live) = (Data(), LiveTensors.Settled());
            var model = new Trainer(Shrunk("mmm-30s.json", tiny["wan"], data, tiny["run"]), _ => null, default).Run();
            Assert.Equal(live, Tensor.TotalCount);
            Assert.Equal("the hat", model.Config.NegativePrompt);
            Assert.True(model.Has(ModelFolder.Student) && model.Has(ModelFolder.Teacher));
            using (var files = ModelFiles.Open(model.Path))
            {
                var request = new VideoRequest { Prompt = "a red cat", Frames = 13 };
                using var video = new VideoGenerator(files, request);
                using var scope = torch.NewDisposeScope();
                var latents = video.Sample(request);
                Assert.Equal([1, 4, 7, 4, 4], latents.shape);
                Assert.True(latents.AllFinite());
                Assert.Equal(13, video.Decode(latents).Count());
            }
            // what was made of the Wan folder is checked too
            var made = tiny["run", "start", "vae.safetensors"];
            var sound = File.ReadAllBytes(made);
            File.WriteAllBytes(made, [.. sound[..^1], (byte)(sound[^1] ^ 1)]);
            var e = Assert.Throws<UserException>(() =>
                new Trainer(Shrunk("mmm-30s.json", tiny["wan"], data, tiny["run"]), _ => null, default).Run()
            );
            Assert.Contains("vae.safetensors has changed since it was written", e.Message);
            // Recompute changes memory and nothing else.
            var plain = new Trainer(
                Shrunk("mmm-30s.json", tiny["wan"], data, tiny["plain"], recompute: false),
                _ => null,
                default
            ).Run();
            Assert.Equal(Hash(plain, ModelFolder.Student), Hash(model, ModelFolder.Student));

            var sft = new Trainer(Shrunk("long-sft.json", tiny["wan"], data, tiny["sft"]), _ => null, default).Run();
            Assert.True(sft.Has(ModelFolder.Transformer) && !sft.Has(ModelFolder.Student));
            Assert.NotEqual(Hash(sft, ModelFolder.Transformer), Hash(sft, ModelFolder.Teacher));
            Assert.Equal(Hash(sft, ModelFolder.Teacher), Hash(ModelFolder.Open(tiny["own"]), ModelFolder.Teacher));
        }
        finally
        {
            Libtorch.Threads = threads;
        }
    }

    private static string Hash(ModelFolder model, string part) =>
        Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(model.Path, part + ".safetensors"))));

    [Fact]
    public void AStudentMadeOfTheStartEqualsWanInBothHeads()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var start = StartModel.Open(tiny.Convert(tiny["own"], Layout.Diffusers, "diffusers"), null);
        var folder = start.Folder(tiny["start"]);
        using var file = folder.OpenPart(ModelFolder.Teacher);
        using var weights = Weights.Load(DecoupledTransformer.FromTransformer(file.Source(), 3, 1));
        var student = new DecoupledTransformer(weights, folder.Config.Model, 1);
        var (wan, wanWeights) = folder.LoadTransformer(ModelFolder.Teacher);
        using var _ = wanWeights;
        using var g = new torch.Generator((ulong)(1));
        var (x, t, e) = (
            torch.randn([1, 4, 7, 4, 4], generator: g),
            torch.full([1], 500),
            torch.randn([1, 5, 8], generator: g)
        );
        Assert.All(Enum.GetValues<Head>(), head =>
            Assert.True(wan.Forward(x, t, e).SameAs(student.Forward(head, x, t, e)))
        );
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        tiny.Convert(tiny["own"], Layout.Wan, "wan");
        Assert.Contains(
            "the recipe's model.wan 30 blocks",
            Assert.Throws<UserException>(() => StartModel.Open(tiny["wan"], new())).Message
        );
        Assert.Contains(
            "height 20: must be a multiple of 8",
            Assert
                .Throws<UserException>(() => StartModel.Open(tiny["wan"], WanTiny.Config with { Height = 20 }))
                .Message
        );
        Assert.Contains(
            "holds no Vae",
            Assert
                .Throws<UserException>(() => StartModel.Open(tiny["wan", "diffusion_pytorch_model.safetensors"], null))
                .Message
        );
        Assert.Contains(
            "no model here",
            Assert.Throws<UserException>(() => StartModel.Open(tiny["nowhere"], null)).Message
        );
    }

    /// <summary>A text encoder that stays on disk gives the texts of one in memory.</summary>
    [Fact]
    public void ALargeTextEncoderIsOpenedOnceForAllCaptions()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var folder = ModelFolder.Open(tiny["own"]);
        var (small, smallWeights) = folder.LoadText();
        var (large, largeWeights) = folder.LoadText(large: 1);
        Assert.Equal(0, largeWeights.Count);
        var encoded = new List<int>();
        large.Prepare(["a red cat", "", "the hat", "a red cat"], (done, all) => encoded.Add(all));
        Assert.Equal([3, 3, 3], encoded);
        using var whole = folder.OpenPart(ModelFolder.Text);
        var bf16 = new TextEncoder(
            Weights.Load(whole.Source(), ScalarType.BFloat16),
            folder.Config.Text,
            Vocabulary.Open(folder.TokenizerFile),
            folder.Config.Wan.TextLength
        );
        Assert.True(
            torch
                .cat([bf16.Encode(["a red cat"]), bf16.Encode(["the hat"])])
                .SameAs(large.Encode(["a red cat", "the hat"]))
        );
        Near.Equal(small.Encode(["a red cat"]), large.Encode(["a red cat"]).to(ScalarType.Float32), 0.05, 0.05);
        smallWeights.Dispose();
    }
}
