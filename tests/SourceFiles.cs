using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace LongTake.Tests;

/// <summary>The files of src, for tests of what they may not contain.</summary>
internal static partial class SourceFiles
{
    /// <summary>Every C# file of src, with its path from the root on.</summary>
    public static IReadOnlyList<(string Name, string Text)> All() =>
        [
            .. from file in Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
            let name = Path.GetRelativePath(Root, file).Replace('\\', '/')
            where !name.Contains("/obj/", StringComparison.Ordinal) && !name.Contains("/bin/", StringComparison.Ordinal)
            select (name, File.ReadAllText(file)),
        ];

    /// <summary>The text without its comments.</summary>
    public static string Code(string text) => Comment().Replace(text, "");

    /// <summary>The root of the checkout.</summary>
    public static string Root { get; } = Above();

    private static string Above([CallerFilePath] string file = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(file)!, ".."));

    [GeneratedRegex(@"//.*")]
    private static partial Regex Comment();
}
