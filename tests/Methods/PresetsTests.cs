using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using LongTake.Diffusion;
using LongTake.Methods;

namespace LongTake.Tests.Methods;

public sealed class PresetsTests
{
    // Settings with no member at the value a variant gives it.
    private static readonly MmmConfig odd = new()
    {
        SftWeight = 0.9,
        DmWeight = 0.7,
        Anchor = 0.33,
        Windows = 7,
        CriticWindows = 7,
        FirstWindow = 0.2,
        Guidance = 1.7,
        Takes = 3,
        RollOut = (RollOut)9,
        Exit = (ExitSchedule)9,
        Boundary = (Boundary)9,
        WindowSampling = (WindowSampling)9,
        Surrogate = (Surrogate)9,
    };

    /// <summary>Names of the members that differ.</summary>
    private static string[] Changed(MmmConfig a, MmmConfig b)
    {
        var (one, two) = (JsonSerializer.SerializeToNode(a)!.AsObject(), JsonSerializer.SerializeToNode(b)!.AsObject());
        return
        [
            .. one.Where(m => !JsonNode.DeepEquals(m.Value, two[m.Key]))
                .Select(m => m.Key)
                .Order(StringComparer.Ordinal),
        ];
    }

    [Fact]
    public void AblationsDifferOnlyWhereTheySay()
    {
        var said = new Dictionary<string, string[]>
        {
            ["no dual heads"] = ["SingleHead"],
            ["no sliding-window DMD"] = ["FirstWindow"],
            ["no SFT"] = ["Anchor", "SftWeight"],
        };
        Assert.Equal(said.Keys, Presets.Ablations.Select(a => a.Name));
        foreach (var ablation in Presets.Ablations)
            Assert.Equal(said[ablation.Name], Changed(odd, ablation.Change(odd)));
    }

    [Fact]
    public void SweepsDifferOnlyWhereTheySay()
    {
        var said = new Dictionary<string, string[]>
        {
            ["boundary"] = ["Boundary"],
            ["window sampling"] = ["FirstWindow", "WindowSampling"],
            ["windows"] = ["CriticWindows", "Windows"],
            ["DM weight"] = ["DmWeight"],
            ["anchor"] = ["Anchor"],
            ["local captions"] = ["LocalCaptions"],
            ["guidance"] = ["Guidance"],
            ["roll-out"] = ["RollOut"],
            ["exit"] = ["Exit"],
            ["surrogate"] = ["Surrogate"],
            ["takes"] = ["Takes"],
        };
        Assert.Equal(said.Keys, Presets.Sweeps.Keys);
        foreach (var (question, variants) in Presets.Sweeps)
        {
            Assert.True(variants.Count >= 2, question);
            Assert.Equal(
                said[question],
                variants.SelectMany(v => Changed(odd, v.Change(odd))).Distinct().Order(StringComparer.Ordinal)
            );
            Assert.Equal(
                variants.Count,
                variants.Select(v => JsonSerializer.Serialize(v.Change(odd))).Distinct().Count()
            );
            Assert.Equal(variants.Count, variants.Select(v => v.Name).Distinct().Count());
        }
    }

    [Fact]
    public void NamesAreOneEachAndMethodsOfOneMemberHaveOneType()
    {
        Assert.Equal(Presets.Methods.Count, Presets.Methods.Select(m => m.Name).Distinct().Count());
        Assert.All(Presets.Methods.GroupBy(m => m.Member), g => Assert.Single(g.Select(m => m.Settings).Distinct()));
        Assert.All(Presets.Methods, m => Assert.Empty(m.Problems(m.Fresh())));
    }

    /// <summary>The files of methods: those with an entry, and the one that only videos.</summary>
    private static Dictionary<string, string[]> Files()
    {
        var folder = Path.GetFullPath(
            Path.Combine(Path.GetDirectoryName(Here())!, "..", "..", "src", "LongTake", "Methods")
        );
        return Directory
            .GetFiles(folder, "*.cs")
            .Where(f =>
                Presets.Methods.Any(m => m.Name == Path.GetFileNameWithoutExtension(f))
                || f.EndsWith("InfinityRope.cs", StringComparison.Ordinal)
            )
            .ToDictionary(
                f => Path.GetFileNameWithoutExtension(f),
                f => File.ReadAllLines(f).Select(l => l.Trim()).ToArray()
            );
    }

    [Fact]
    public void AMethodIsOneFileAndNamesNoOther()
    {
        var files = Files();
        Assert.Equal(Presets.Methods.Count + 1, files.Count);
        foreach (var (name, lines) in files)
        foreach (var other in files.Keys.Where(o => o != name))
            Assert.DoesNotContain(lines, l =>
                !l.StartsWith("//", StringComparison.Ordinal)
                && Regex.IsMatch(l, $@"(?<![\w.]){other}(Config)?\b(?=\.[A-Z]|>|\()")
            );
    }

    /// <summary>Lines of more than a bracket or two that stand in both of two files, wherever.</summary>
    [Fact]
    public void NoTwoMethodsShareMoreThanTwentyLines()
    {
        var files = Files()
            .Select(f =>
                (
                    f.Key,
                    Lines: f.Value.Where(l => l.Length > 12 && !l.StartsWith("using ", StringComparison.Ordinal))
                        .ToHashSet()
                )
            )
            .ToList();
        for (var a = 0; a < files.Count; a++)
        for (var b = a + 1; b < files.Count; b++)
            Assert.True(
                files[a].Lines.Intersect(files[b].Lines).Count() is var shared && shared <= 20,
                $"{files[a].Key} and {files[b].Key} share {shared} lines"
            );
    }

    private static string Here([CallerFilePath] string file = "") => file;
}
