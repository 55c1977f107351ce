using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Text.Json;
using LongTake.Nn;
using LongTake.Training;

namespace LongTake.Tests.Training;

/// <summary>The tiny recipe in this process.</summary>
[Collection(nameof(Alone))]
public sealed class TrainerTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private static string Frozen([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, "..", "assets", "frozen"));

    [Fact]
    public void TheTinyRecipeKeepsItsNumbersAndItsTensors()
    {
        var recipe = Recipe.Read(
            Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"),
            [$"out={root}"],
            TrainJson.Recipe
        );
        var threads = Libtorch.Threads;
        var (before, live) = (LiveTensors.Settled(), new Dictionary<string, List<long>>());
        var model = new Trainer(recipe, stage => new Watch(live[stage.Folder] = []), default).Run();
        Libtorch.Threads = threads;
        Assert.Equal(before, Tensor.TotalCount);
        Assert.Equal(Path.Combine(root, "mmm", "model"), model.Path);
        foreach (var (stage, counts) in live)
        {
            Assert.Equal(10, counts.Count);
            // the moments come with the first steps
            Assert.True(counts[4..].Distinct().Count() == 1, $"{stage}: live tensors {string.Join(' ', counts)}");
        }
        foreach (var stage in recipe.Stages)
        {
            var numbers = Losses(new RunFolder(Path.Combine(root, stage.Folder)));
            Assert.All(numbers.Where(n => n.Key.EndsWith(" norm", StringComparison.Ordinal)), n =>
                Assert.All(n.Value, v => Assert.True(v > 0, n.Key))
            );
            Compare(stage.Folder, numbers);
        }
    }

    private sealed class Watch(List<long> counts) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Unit == "steps")
                counts.Add(Tensor.TotalCount);
        }
    }

    /// <summary>Every logged number but times, by name, over the steps.</summary>
    internal static SortedDictionary<string, double[]> Losses(RunFolder run) =>
        new(
            TrainingLog
                .Read(run.Log)
                .SelectMany(l => l.Scalars)
                .Where(s => s.Name != Loop.ProcessorSeconds)
                .GroupBy(s => s.Name)
                .ToDictionary(g => g.Key, g => g.Select(s => s.Value).ToArray()),
            StringComparer.Ordinal
        );

    /// <summary>
    /// On the machine that froze them the numbers must agree tightly. Elsewhere another instruction set or libtorch
    /// rounds bfloat16 otherwise, and ten steps of so small a network spread that: there the mean losses must agree.
    /// </summary>
    internal static void Compare(string stage, SortedDictionary<string, double[]> now)
    {
        var file = Path.Combine(Frozen(), $"{stage}.json");
        if (Environment.GetEnvironmentVariable("LONGTAKE_FREEZE") == "1")
            File.WriteAllText(
                file,
                $"{{\n  \"machine\": \"{Machine}\",\n  \"numbers\": {{\n"
                    + string.Join(
                        ",\n",
                        now.Select(p =>
                            $"    \"{p.Key}\": [{string.Join(", ", p.Value.Select(v => v.ToString("g9")))}]"
                        )
                    )
                    + "\n  }\n}\n"
            );
        Assert.True(File.Exists(file), $"no frozen numbers of '{stage}': make them with LONGTAKE_FREEZE=1");
        using var json = JsonDocument.Parse(File.ReadAllText(file));
        var same = json.RootElement.GetProperty("machine").GetString() == Machine;
        var frozen = json.RootElement.GetProperty("numbers").Deserialize<SortedDictionary<string, double[]>>()!;
        Assert.Equal(frozen.Keys, now.Keys);
        const string Again = "If that is meant, freeze again with LONGTAKE_FREEZE=1 and say why.";
        foreach (var (name, expected) in frozen)
        {
            Assert.Equal(expected.Length, now[name].Length);
            if (same)
                for (var i = 0; i < expected.Length; i++)
                    Assert.True(
                        Math.Abs(expected[i] - now[name][i]) <= 1e-5 * Math.Max(1, Math.Abs(expected[i])),
                        $"{stage}, '{name}', entry {i}: frozen {expected[i]:g9}, now {now[name][i]:g9}. {Again}"
                    );
            else if (name.EndsWith(" loss", StringComparison.Ordinal))
                Assert.True(
                    Math.Abs(expected.Average() - now[name].Average()) <= 0.3 * expected.Average(),
                    $"{stage}, mean of '{name}': frozen {expected.Average():g5}, now {now[name].Average():g5}. {Again}"
                );
        }
    }

    private static string Machine { get; } =
        string.Join(
            ", ",
            $"libtorch {Libtorch.Version}",
            Processor(),
            Vector512.IsHardwareAccelerated ? "512 bits"
                : Vector256.IsHardwareAccelerated ? "256 bits"
                : "128 bits",
            Environment.GetEnvironmentVariable("ATEN_CPU_CAPABILITY") ?? "own choice",
            $"products in {Products.Name(Products.Kind)}"
        );

    private static string Processor() =>
        !File.Exists("/proc/cpuinfo")
            ? "unknown"
            : File.ReadLines("/proc/cpuinfo")
                .FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
                ?.Split(": ")[^1]
                ?? "unknown";
}
