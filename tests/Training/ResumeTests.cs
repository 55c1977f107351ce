using System.Security.Cryptography;
using System.Text.Json;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>Run folders that somebody damaged, or whose recipe has changed, at the next start.</summary>
[Collection(nameof(Alone))]
public sealed partial class ResumeTests(ResumeTests.Runs runs) : IClassFixture<ResumeTests.Runs>, IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly int threads = Libtorch.Threads;
    private readonly List<string> said = [];

    public void Dispose()
    {
        Libtorch.Threads = threads;
        Directory.Delete(root, recursive: true);
    }

    /// <summary>An autoencoder and a teacher, the smallest run with two stages.</summary>
    private static TrainRecipe Small(string folder)
    {
        var tiny = Recipe.Read(
            Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"),
            [$"out={folder}"],
            TrainJson.Recipe
        );
        return tiny with { Stages = [Short(tiny.Stages[0], 2), Short(tiny.Stages[1], 4)] };

        static StageConfig Short(StageConfig s, int steps) =>
            s with
            {
                Loop = s.Loop with { Steps = steps, ValidateEvery = 0 },
            };
    }

    /// <summary>The run, unbroken and stopped after the teacher's third step, each made once.</summary>
    public sealed class Runs : IDisposable
    {
        private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

        public Runs()
        {
            var threads = Libtorch.Threads;
            new Trainer(Unbroken, _ => null, default).Run();
            using var stop = new CancellationTokenSource();
            var done = 0;
            var heard = new Generation.Heard(p =>
            {
                if (p.Unit == "steps" && ++done == 2 + 3)
                    stop.Cancel();
            });
            Assert.Throws<OperationCanceledException>(() => new Trainer(Stopped, _ => heard, stop.Token).Run());
            Libtorch.Threads = threads;
        }

        public TrainRecipe Unbroken => Small(Path.Combine(root, "unbroken"));
        public TrainRecipe Stopped => Small(Path.Combine(root, "stopped"));

        public void Dispose() => Directory.Delete(root, recursive: true);
    }

    /// <summary>A copy of a run.</summary>
    private TrainRecipe Of(TrainRecipe recipe, string name = "run")
    {
        var copy = recipe with { Out = Path.Combine(root, name) };
        Copy(recipe.Out, copy.Out);
        return copy;
    }

    private static TrainRecipe Teacher(TrainRecipe recipe, Func<StageConfig, StageConfig> change) =>
        recipe with
        {
            Stages = [recipe.Stages[0], change(recipe.Stages[1])],
        };

    private void Train(TrainRecipe recipe) => new Trainer(recipe, _ => null, default) { Say = said.Add }.Run();

    private static string[] Checkpoints(TrainRecipe recipe, string stage) =>
        [.. Directory.GetDirectories(Path.Combine(recipe.Out, stage, "checkpoints")).Order(StringComparer.Ordinal)];

    private static string[] Notes(TrainRecipe recipe, string stage) =>
        [
            .. File.ReadLines(Path.Combine(recipe.Out, stage, "log.jsonl"))
                .Select(l => JsonDocument.Parse(l).RootElement)
                .Where(l => l.TryGetProperty("note", out _))
                .Select(l => l.GetProperty("note").GetString()!),
        ];

    /// <summary>Hashes of the models: what a run is for.</summary>
    private static SortedDictionary<string, string> Models(TrainRecipe recipe) =>
        new(
            Directory
                .EnumerateFiles(recipe.Out, "*", SearchOption.AllDirectories)
                .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "model")
                .ToDictionary(
                    f => Path.GetRelativePath(recipe.Out, f),
                    f => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))
                )
        );

    private static void Flip(string file, long at)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.ReadWrite);
        stream.Position = at;
        var one = (byte)stream.ReadByte();
        stream.Position = at;
        stream.WriteByte((byte)(one ^ 1));
    }

    private static void Copy(string from, string to)
    {
        foreach (var folder in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories).Prepend(from))
            Directory.CreateDirectory(Path.Combine(to, Path.GetRelativePath(from, folder)));
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(to, Path.GetRelativePath(from, file)));
    }

    [Fact]
    public void TheNewestWholeCheckpointGoesOnAndThoseBeforeItAreNamed()
    {
        var recipe = Of(runs.Stopped);
        Assert.Equal(["step-00000002", "step-00000003"], Checkpoints(recipe, "teacher").Select(Path.GetFileName));
        Flip(Path.Combine(Checkpoints(recipe, "teacher")[1], "wan.safetensors"), 1000);
        Train(recipe);
        var text = Assert.Single(said);
        Assert.Contains("step-00000003: passed over: wan.safetensors has changed since it was written", text);
        Assert.Contains("training goes on from step 2", text);
        Assert.Contains("step-00000003", Assert.Single(Notes(recipe, "teacher")));
        Assert.Equal(Models(runs.Unbroken), Models(recipe));
    }

    [Theory]
    [InlineData("flip")]
    [InlineData("cut")]
    [InlineData("gone")]
    [InlineData("list")]
    public void WithoutAWholeCheckpointTrainingDoesNotBeginAnewByItself(string harm)
    {
        var recipe = Of(runs.Stopped);
        foreach (var checkpoint in Checkpoints(recipe, "teacher"))
        {
            var file = Path.Combine(checkpoint, harm == "list" ? "manifest.json" : "wan.safetensors");
            if (harm == "cut")
                File.WriteAllBytes(file, File.ReadAllBytes(file)[..^100]);
            else if (harm == "gone")
                Directory.Delete(checkpoint, recursive: true);
            else
                Flip(file, 60);
        }
        var log = File.ReadAllText(Path.Combine(recipe.Out, "teacher", "log.jsonl"));
        var e = Assert.Throws<UserException>(() => Train(recipe));
        Assert.Contains(Path.Combine(recipe.Out, "teacher"), e.Message);
        Assert.Contains("none of them is whole any more", e.Message);
        Assert.Contains("to begin anew with step 1, delete that folder", e.Message);
        Assert.Equal(log, File.ReadAllText(Path.Combine(recipe.Out, "teacher", "log.jsonl")));
        Directory.Delete(Path.Combine(recipe.Out, "teacher"), recursive: true);
        Train(recipe);
    }

    [Fact]
    public void PruningKeepsTheCheckpointsThatLoadingWouldTake()
    {
        var run = new RunFolder(Path.Combine(root, "pruned"));
        void Save(long step, RunFolder to) =>
            to.Save(step, at => File.WriteAllText(Path.Combine(at, "w"), $"{step}"), keep: 2);
        foreach (var step in (long[])[2, 4, 6, 8])
            Save(step, run);
        Flip(Path.Combine(run.Root, "checkpoints", "step-00000008", "w"), 0);
        var next = new RunFolder(run.Root); // the next start
        Assert.Equal(6, next.Latest(verify: true)!.Step);
        Save(7, next);
        Assert.Equal(7, new RunFolder(run.Root).Latest(verify: true)!.Step);
        Flip(Path.Combine(run.Root, "checkpoints", "step-00000007", "w"), 0);
        Assert.Equal(6, new RunFolder(run.Root).Latest(verify: true)!.Step);
    }

    [Fact]
    public void AFinishedStageIsNotPassedOverUnderAnotherRecipe()
    {
        var recipe = Of(runs.Unbroken);
        var config = File.ReadAllText(Path.Combine(recipe.Out, "config.json"));
        Refused(
            Teacher(recipe, s => s with { Loop = s.Loop with { Steps = 8 } }),
            "teacher: is finished by another recipe: stage.loop.steps was 4, is 8."
        );
        Refused(
            Teacher(recipe, s => s with { Optimiser = s.Optimiser with { Lr = 0.5 } }),
            "stage.optimiser.lr was 0.001, is 0.5"
        );
        Refused(recipe with { World = recipe.World with { Clips = 7 } }, "world.clips was 6, is 7");
        Refused(recipe with { Model = recipe.Model! with { Shift = 4 } }, "model.shift was 3, is 4");
        Refused(
            Teacher(recipe, s => s with { Method = "LongSft", Name = "teacher" }),
            "stage.method was \"Teacher\", is \"LongSft\""
        );
        // another autoencoder, trained in place of the one that the teacher began with
        Directory.Delete(Path.Combine(recipe.Out, "autoencoder"), recursive: true);
        Refused(
            recipe with
            {
                Stages = [recipe.Stages[0] with { Loop = recipe.Stages[0].Loop with { Seed = 9 } }, recipe.Stages[1]],
            },
            "after was \"autoencoder",
            written: true
        );

        void Refused(TrainRecipe other, string what, bool written = false)
        {
            var e = Assert.Throws<UserException>(() => Train(other));
            Assert.Contains(what, e.Message);
            Assert.Contains("Give the old values, or another run folder", e.Message);
            if (!written)
                Assert.Equal(config, File.ReadAllText(Path.Combine(recipe.Out, "config.json")));
        }
    }

    [Fact]
    public void WhatMayChangeIsSaidAndNotedAndWhatMayNotIsRefused()
    {
        var recipe = Of(runs.Stopped);
        var seed = Assert.Throws<UserException>(() =>
            Train(Teacher(recipe, s => s with { Loop = s.Loop with { Seed = 5 } }))
        );
        Assert.Contains("teacher: has begun by another recipe: stage.loop.seed was 1, is 5", seed.Message);
        var few = Assert.Throws<UserException>(() =>
            Train(Teacher(recipe, s => s with { Loop = s.Loop with { Steps = 1 } }))
        );
        Assert.Contains("has done 3 steps, and the recipe asks for 1", few.Message);
        Assert.Empty(said);
        var changed = Teacher(recipe, s =>
            s with
            {
                Loop = s.Loop with { Steps = 6, LogEvery = 2 },
                Optimiser = s.Optimiser with { Lr = 5e-4 },
            }
        );
        Train(changed with { Device = "auto", Threads = 2, About = "another sentence" });
        string[] changes =
        [
            "stage.loop.steps was 4, is 6",
            "stage.loop.logEvery was 1, is 2",
            "stage.optimiser.lr was 0.001, is 0.0005",
        ];
        Assert.Equal(changes, Notes(recipe, "teacher"));
        Assert.Equal(changes.Select(c => $"{c}; training goes on from step 3"), said);
        Assert.Equal(
            [1, 2, 3, 4, 6],
            TrainingLog.Read(Path.Combine(recipe.Out, "teacher", "log.jsonl")).Select(l => (int)l.Step)
        );
        Train(changed); // finished: nothing to do, nothing to say
        Train(Teacher(changed, s => s with { Loop = s.Loop with { LogEvery = 1, CheckpointEvery = 3 } }));
        Assert.Equal(3, said.Count);
    }
}
