using System.Runtime.CompilerServices;
using System.Text.Json;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>The tiny recipe in this process. It runs while no other test makes tensors, for it counts those of all threads.</summary>
[CollectionDefinition(nameof(TrainerTests), DisableParallelization = true)]
[Collection(nameof(TrainerTests))]
public sealed class TrainerTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private static string Frozen([CallerFilePath] string file = "") => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "assets", "frozen"));

    [Fact]
    public void TheTinyRecipeKeepsItsNumbersAndItsTensors()
    {
        var recipe = Recipe.Read(Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"), [$"out={root}"], TrainJson.Default.TrainRecipe);
        var threads = Libtorch.Threads;
        var (before, live) = (Tensor.Live, new Dictionary<string, List<long>>());
        var model = new Trainer(recipe, stage => new Watch(live[stage.Folder] = []), default).Run();
        Libtorch.Threads = threads;
        Assert.Equal(before, Tensor.Live);
        Assert.Equal(Path.Combine(root, "mmm", "model"), model.Path);
        foreach (var (stage, counts) in live)
        {
            Assert.Equal(10, counts.Count);
            Assert.True(counts[4..].Distinct().Count() == 1, $"{stage}: live tensors {string.Join(' ', counts)}");   // the moments come with the first steps
        }
        foreach (var stage in recipe.Stages) Compare(stage.Folder, Losses(new RunFolder(Path.Combine(root, stage.Folder))));
    }

    private sealed class Watch(List<long> counts) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) { if (value.Unit == "steps") counts.Add(Tensor.Live); }
    }

    /// <summary>Every logged number but times, by name, over the steps.</summary>
    private static SortedDictionary<string, double[]> Losses(RunFolder run) => new(
        TrainingLog.Read(run.Log).SelectMany(l => l.Scalars).GroupBy(s => s.Name).ToDictionary(g => g.Key, g => g.Select(s => s.Value).ToArray()),
        StringComparer.Ordinal);

    private static void Compare(string stage, SortedDictionary<string, double[]> now)
    {
        var file = Path.Combine(Frozen(), $"{stage}.json");
        if (Environment.GetEnvironmentVariable("LONGTAKE_FREEZE") == "1")
            File.WriteAllText(file, "{\n" + string.Join(",\n", now.Select(p => $"  \"{p.Key}\": [{string.Join(", ", p.Value.Select(v => v.ToString("g9")))}]")) + "\n}\n");
        Assert.True(File.Exists(file), $"no frozen numbers of '{stage}': make them with LONGTAKE_FREEZE=1");
        var frozen = JsonSerializer.Deserialize<SortedDictionary<string, double[]>>(File.ReadAllText(file))!;
        Assert.Equal(frozen.Keys, now.Keys);
        foreach (var (name, expected) in frozen)
        {
            Assert.Equal(expected.Length, now[name].Length);
            for (var i = 0; i < expected.Length; i++)
                Assert.True(Math.Abs(expected[i] - now[name][i]) <= Tolerance * Math.Max(1, Math.Abs(expected[i])),
                    $"{stage}, '{name}', entry {i}: frozen {expected[i]:g9}, now {now[name][i]:g9}. If that is meant, freeze again with LONGTAKE_FREEZE=1 and say why.");
        }
    }

    private const double Tolerance = 1e-4;
}
