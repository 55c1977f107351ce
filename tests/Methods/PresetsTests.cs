using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using LongTake.Methods;

namespace LongTake.Tests.Methods;

public sealed class PresetsTests
{
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
