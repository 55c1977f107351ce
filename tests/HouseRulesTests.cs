using System.Text.RegularExpressions;

namespace LongTake.Tests;

/// <summary>What every file of the repository keeps to: sizes, and the words of the field.</summary>
public partial class HouseRulesTests
{
    private const int Columns = 120;
    private const int Lines = 300;

    [Fact]
    public void NoSourceFileIsLongerThanThreeHundredLines() =>
        Assert.Empty(SourceFiles.All().Where(f => f.Text.Split('\n').Length > Lines + 1).Select(f => f.Name));

    [Fact]
    public void NoLineOfCodeIsWiderThanTheFormatterMakesIt() =>
        Assert.Empty(
            from file in Files("*.cs")
            from line in File.ReadLines(file).Index()
            // Test data keeps its lines.
            where
                line.Item.Length > Columns
                && !(Name(file).StartsWith("tests", StringComparison.Ordinal) && line.Item.Contains('"'))
            select $"{Name(file)}:{line.Index + 1}"
        );

    [Theory]
    [InlineData("speaker")]
    [InlineData("WindowLaw")]
    [InlineData("ExitLaw")]
    [InlineData("Looker")]
    [InlineData("Foundry")]
    [InlineData("PlaceLinear")]
    [InlineData("whole numbers")]
    [InlineData(@"\btwins?\b")]
    [InlineData(@"\b[Ff]ilms?\b")]
    [InlineData(@"<summary>\s*(?:///)?\s*The same\b")]
    public void TheWordsAreTheFields(string gone)
    {
        var word = new Regex(gone, RegexOptions.IgnoreCase | RegexOptions.Multiline);
        string[] kinds = ["*.cs", "*.md", "*.json", "*.txt"];
        Assert.Empty(
            kinds
                .SelectMany(Files)
                .Where(f => Path.GetFileName(f) is not ("LOG.md" or "HouseRulesTests.cs") && !Borrowed(f))
                .Where(f => word.IsMatch(File.ReadAllText(f)))
                .Select(Name)
        );
    }

    /// <summary>A service has no command line: the library names settings, the program their options.</summary>
    [Fact]
    public void TheLibraryNamesNoOptions() =>
        Assert.Empty(
            from file in SourceFiles.All()
            where file.Name.StartsWith("src/LongTake/", StringComparison.Ordinal)
            from line in SourceFiles.Code(file.Text).Split('\n')
            where OptionInText().IsMatch(line)
            select $"{file.Name}: {line.Trim()}"
        );

    [GeneratedRegex(@"""[^""]*[a-zA-Z,;.:] --[a-z][a-z-]+")]
    private static partial Regex OptionInText();

    // Tables of Unicode, and expectations that name files of others.
    private static bool Borrowed(string file) => Path.GetFileName(file) is "TextTables.txt";

    private static string Name(string file) => Path.GetRelativePath(SourceFiles.Root, file);

    private static IEnumerable<string> Files(string kind) =>
        Directory
            .EnumerateFiles(SourceFiles.Root, kind, SearchOption.AllDirectories)
            .Where(f => !Built().IsMatch(Name(f).Replace('\\', '/')));

    [GeneratedRegex(@"(^|/)(bin|obj|build|runs|\.git|TestResults)/")]
    private static partial Regex Built();
}
