using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>
/// The rivals at tiny size, from a tiny teacher: their numbers are kept, and a run that is stopped ends as one that is
/// not.
/// </summary>
[Collection(nameof(Alone))]
public sealed class BaselineTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly int threads = Libtorch.Threads;

    public void Dispose()
    {
        Libtorch.Threads = threads;
        Directory.Delete(root, recursive: true);
    }

    private sealed class Watch(Action<ProgressReport> each) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => each(value);
    }

    private string Teacher()
    {
        var recipe = Recipe.Read(
            Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"),
            [$"out={root}/start"],
            TrainJson.Recipe
        );
        return new Trainer(
            recipe with
            {
                Stages = [.. recipe.Stages.Take(2).Select(s => s with { Loop = s.Loop with { Steps = 2 } })],
            },
            _ => null,
            default
        )
            .Run()
            .Path;
    }

    private TrainRecipe Baselines(string from, string to) =>
        Recipe.Read(
            Path.Combine(AppContext.BaseDirectory, "assets", "baselines.json"),
            [$"from={from}", $"out={Path.Combine(root, to)}"],
            TrainJson.Recipe
        );

    private static string Bytes(string folder) =>
        string.Join(
            '\n',
            Directory
                .GetFiles(folder, "*.safetensors", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(f =>
                    $"{Path.GetRelativePath(folder, f)} {Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))}"
                )
        );

    [Fact]
    public void RivalsKeepTheirNumbersAndAStoppedRunEndsAsAnUnbrokenOne()
    {
        var teacher = Teacher();
        var (whole, before) = (Baselines(teacher, "whole"), LiveTensors.Settled());
        var model = new Trainer(whole, _ => null, default).Run();
        Assert.Equal(before, Tensor.TotalCount);
        foreach (var stage in whole.Stages)
            TrainerTests.Compare(
                stage.Folder,
                TrainerTests.Losses(new RunFolder(Path.Combine(whole.Out, stage.Folder)))
            );

        var (broken, stops) = (Baselines(teacher, "broken"), 0);
        foreach (
            var (folder, unit, at) in new[]
            {
                ("mixsft", "steps", 4),
                ("odeinit", "trajectories", 2),
                ("odeinit", "steps", 5),
                ("causvid", "steps", 3),
                ("selfforcing", "steps", 7),
            }
        )
        {
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() =>
                new Trainer(
                    broken,
                    stage => new Watch(report =>
                    {
                        if (stage.Folder == folder && report.Unit == unit && report.Done >= at)
                            stop.Cancel();
                    }),
                    stop.Token
                ).Run()
            );
            stops++;
        }
        var again = new Trainer(broken, _ => null, default).Run();
        Assert.Equal(5, stops);
        Assert.Equal(Bytes(model.Path), Bytes(again.Path));
        Assert.Equal(
            Bytes(Path.Combine(whole.Out, "mixsft", "model")),
            Bytes(Path.Combine(broken.Out, "mixsft", "model"))
        );

        // What they leave makes videos longer than a clip, the command's way.
        using var files = ModelFiles.Open(model.Path);
        var request = new VideoRequest { Prompt = "a traveller" };
        var resolved = request.Resolve(files);
        Assert.Equal((Network.Generator, Sampler.Causal, 5), (resolved.Network, resolved.Sampler, resolved.Latents));
        using var scope = torch.NewDisposeScope();
        foreach (var sampler in (Sampler[])[Sampler.Causal, Sampler.Segments, Sampler.InfinityRope])
        {
            using var video = new VideoGenerator(files, request with { Sampler = sampler });
            Assert.True(video.Sample(request with { Sampler = sampler }).AllFinite());
        }
        SeventhMethod(teacher);
    }

    /// <summary>
    /// The method of the contributors' page, compiled here, known by one line, trained like the others.
    /// </summary>
    private void SeventhMethod(string teacher)
    {
        MethodEntry[] methods = [.. Presets.Methods, PrefixSft.Entry];
        var recipe = Recipe.Parse(
            $$"""
            { "from": "{{teacher}}", "out": "{{root}}/seventh", "threads": 1, "world": { "clips": 6, "takes": 3, "heldOutClips": 1, "heldOutTakes": 1 },
              "stages": [{ "method": "PrefixSft", "loop": { "steps": 3, "logEvery": 1 }, "prefixSft": { "least": 4 } }] }
            """,
            "seventh",
            [],
            TrainJson.With(methods)
        );
        Assert.Empty(recipe.Problems(methods));
        // not without the line
        Assert.Contains("\"PrefixSft\"; allowed is one of Autoencoder, Teacher", string.Join(' ', recipe.Problems()));
        var model = new Trainer(recipe, _ => null, default) { Methods = methods }.Run();
        Assert.True(model.Has(ModelFolder.Transformer));
        var numbers = TrainerTests.Losses(new RunFolder(Path.Combine(root, "seventh", "prefixsft")));
        Assert.All(numbers["prefix-sft loss"], loss => Assert.True(loss > 0));
        Assert.All(numbers["prefix-sft latents"], latents => Assert.InRange(latents, 4, 5));
        Assert.Contains(
            "did you mean 'least'",
            Assert
                .Throws<UserException>(() =>
                    Recipe.Parse(
                        """{ "stages": [{ "method": "PrefixSft", "prefixSft": { "leest": 4 } }] }""",
                        "r",
                        [],
                        TrainJson.With(methods)
                    )
                )
                .Message
        );
    }

    [Fact]
    public void TheContributorsPageShowsThatMethod()
    {
        var repository = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, "..", ".."));
        var (page, method) = (
            File.ReadAllText(Path.Combine(repository, "CONTRIBUTING.md")),
            File.ReadAllText(Path.Combine(repository, "examples", "AddAMethod", "PrefixSft.cs"))
        );
        Assert.Contains($"```csharp\n{method}```", page);
        Assert.Contains("```csharp\n        PrefixSft.Entry,\n```", page);
        Assert.InRange(method.Split('\n').Length, 1, 60);
    }

    private static string Here([CallerFilePath] string file = "") => file;
}
