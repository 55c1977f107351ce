using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LongTake.Tests;

/// <summary>Who may name whom: a room names only those to the right of it.</summary>
public partial class ArchitectureTests
{
    // Room, and what it may name besides itself and LongTake.Tensors.
    private static readonly Dictionary<string, string[]> mayName = new()
    {
        ["LongTake.Tensors"] = [],
        ["LongTake.Kernels"] = [],
        ["LongTake.Nn"] = ["Kernels"],
        ["LongTake.Video"] = [],
        ["LongTake.Diffusion"] = [],
        ["LongTake.Worlds"] = ["Video"],
        ["LongTake.Models"] = ["Nn", "Kernels"],
        ["LongTake.Checkpoints"] = ["Models"],
        ["LongTake.Data"] = ["Video", "Worlds", "Models", "Nn"],
        ["LongTake.Methods"] = ["Models", "Diffusion", "Nn", "Data"],
        ["LongTake.Training"] = ["Methods", "Checkpoints", "Data", "Models", "Diffusion", "Nn"],
        ["LongTake.Generation"] = ["Methods", "Checkpoints", "Models", "Diffusion", "Nn", "Data", "Video"],
        ["LongTake.Takes"] = ["Generation", "Checkpoints", "Models", "Data", "Video"],
        ["LongTake.Evaluation"] =
        [
            "Training",
            "Generation",
            "Methods",
            "Checkpoints",
            "Models",
            "Diffusion",
            "Nn",
            "Data",
            "Video",
            "Worlds",
        ],
        ["LongTake.Studio"] = ["*"],
        ["LongTake.Cli"] = ["*", "Studio"],
    };

    [Fact]
    public void EveryRoomNamesOnlyWhatItMay()
    {
        var broken = new List<string>();
        foreach (var (file, room) in Sources())
        {
            if (!mayName.TryGetValue(room, out var allowed))
                broken.Add($"{file}: the room {room} is not in the table");
            else
                broken.AddRange(
                    Named(file)
                        .Where(name => name != room && name != "LongTake.Tensors" && !Allows(allowed, name[9..]))
                        .Select(name => $"{file}: {room} must not name {name}")
                );
        }
        Assert.Empty(broken);
    }

    [Fact]
    public void OnlyTensorsAndKernelsAreUnsafe() =>
        Assert.Empty(
            Sources()
                .Where(s =>
                    s.Room is not ("LongTake.Tensors" or "LongTake.Kernels")
                    && Unsafe().IsMatch(File.ReadAllText(Path.Combine(Root, s.File)))
                )
                .Select(s => s.File)
        );

    /// <summary>
    /// What is imported from the C library exists on some systems only, and says on which; the compiler then warns of
    /// unguarded calls, as errors.
    /// </summary>
    [Fact]
    public void EveryImportFromTheCLibraryNamesItsSystems()
    {
        var bare =
            from s in Sources()
            let lines = File.ReadAllLines(Path.Combine(Root, s.File))
            from i in Enumerable.Range(0, lines.Length)
            where lines[i].Contains("Import(\"libc\"") && !lines[Math.Max(0, i - 1)].Contains("SupportedOSPlatform")
            select $"{s.File}:{i + 1}";
        Assert.Empty(bare);
    }

    private static string Root => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Here())!, ".."));

    private static string Here([CallerFilePath] string file = "") => file;

    // "*" is every room of the library; the front doors Studio and Cli are named only by name.
    private static bool Allows(string[] allowed, string name) =>
        allowed.Contains(name) || (allowed.Contains("*") && name is not ("Studio" or "Cli"));

    // src/LongTake/Nn/Linear.cs is in LongTake.Nn; what lies in src/LongTake itself belongs to no room.
    private static IEnumerable<(string File, string Room)> Sources() =>
        from file in Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
        let parts = Path.GetRelativePath(Root, file).Split(Path.DirectorySeparatorChar)
        where !parts.Contains("obj") && !parts.Contains("bin") && (parts[1] != "LongTake" || parts.Length > 3)
        select (Path.GetRelativePath(Root, file), parts[1] == "LongTake" ? $"LongTake.{parts[2]}" : parts[1]);

    private static IEnumerable<string> Named(string file) =>
        File.ReadLines(Path.Combine(Root, file))
            .Select(line => Using().Match(line))
            .Where(m => m.Success)
            .Select(m => string.Join('.', m.Groups[1].Value.Split('.').Take(2)))
            .Where(mayName.ContainsKey)
            .Distinct();

    [GeneratedRegex(@"\bunsafe\b")]
    private static partial Regex Unsafe();

    [GeneratedRegex(@"^\s*(?:global )?using (?:static |\w+ = )?(LongTake\.\w+)")]
    private static partial Regex Using();
}
