using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LongTake.Tests;

/// <summary>Who may name whom: a room names only those to the right of it.</summary>
public partial class ArchitectureTests
{
    // Room, and what it may name besides itself and LongTake.Torch.
    private static readonly Dictionary<string, string[]> mayName = new()
    {
        ["LongTake.Torch"] = [],
        ["LongTake.Nn"] = [],
        ["LongTake.Media"] = [],
        ["LongTake.Diffusion"] = [],
        ["LongTake.Worlds"] = ["Media"],
        ["LongTake.Models"] = ["Nn"],
        ["LongTake.Checkpoints"] = ["Models"],
        ["LongTake.Data"] = ["Media", "Worlds", "Models", "Nn"],
        ["LongTake.Methods"] = ["Models", "Diffusion", "Nn", "Data"],
        ["LongTake.Training"] = ["Methods", "Checkpoints", "Data", "Models", "Diffusion", "Nn"],
        ["LongTake.Generation"] = ["Methods", "Checkpoints", "Models", "Diffusion", "Nn", "Data", "Media"],
        ["LongTake.Planning"] = ["Training", "Generation", "Methods", "Checkpoints", "Data", "Media", "Models"],
        ["LongTake.Evaluation"] = ["Generation", "Methods", "Models", "Diffusion", "Nn", "Data", "Media", "Worlds"],
        ["LongTake.Comparison"] = ["Evaluation", "Training", "Methods", "Generation", "Checkpoints", "Models", "Data", "Media", "Worlds"],
        ["LongTake.Studio"] = ["*"],
        ["LongTake.Cli"] = ["*", "Studio"],
    };

    [Fact]
    public void EveryRoomNamesOnlyWhatItMay()
    {
        var broken = new List<string>();
        foreach (var (file, room) in Sources())
        {
            if (!mayName.TryGetValue(room, out var allowed)) broken.Add($"{file}: the room {room} is not in the table");
            else
                broken.AddRange(Named(file).Where(name => name != room && name != "LongTake.Torch" && !Allows(allowed, name[9..]))
                    .Select(name => $"{file}: {room} must not name {name}"));
        }
        Assert.Empty(broken);
    }

    [Fact]
    public void OnlyTheBindingIsUnsafe() => Assert.Equal(["LongTake.Torch.csproj"],
        Directory.EnumerateFiles(Root, "*.csproj", SearchOption.AllDirectories)
            .Where(f => File.ReadAllText(f).Contains("AllowUnsafeBlocks")).Select(f => Path.GetFileName(f)!));

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
        File.ReadLines(Path.Combine(Root, file)).Select(line => Using().Match(line)).Where(m => m.Success)
            .Select(m => m.Groups[1].Value).Where(mayName.ContainsKey).Distinct();

    [GeneratedRegex(@"^\s*(?:global )?using (?:static |\w+ = )?(LongTake\.\w+)")]
    private static partial Regex Using();
}
