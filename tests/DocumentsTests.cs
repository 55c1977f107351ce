using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace LongTake.Tests;

/// <summary>What the pages promise: their samples compile, and what they point at is there.</summary>
public partial class DocumentsTests
{
    private const string Usings =
        "global using System; global using System.Collections.Generic; global using System.IO; "
        + "global using System.Linq; global using System.Threading; global using System.Threading.Tasks; "
        + "global using TorchSharp; global using LongTake; global using LongTake.Tensors;";

    private static IEnumerable<(string Page, string Text)> Pages() =>
        from page in Directory.EnumerateFiles(SourceFiles.Root, "*.md", SearchOption.AllDirectories)
        let name = Path.GetRelativePath(SourceFiles.Root, page).Replace('\\', '/')
        where !Built().IsMatch(name) && name != "LOG.md"
        select (name, File.ReadAllText(page));

    [Fact]
    public void EverySampleOfEveryPageCompiles()
    {
        var samples = Pages()
            .SelectMany(p => Sample().Matches(p.Text).Select(m => (p.Page, Text: m.Groups[1].Value)))
            .ToList();
        Assert.True(samples.Count >= 3);
        var known = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator)
            .Select(a => MetadataReference.CreateFromFile(a));
        // One for all samples: to read the references takes most of the time.
        var empty = CSharpCompilation.Create("Sample", [CSharpSyntaxTree.ParseText(Usings)], known);
        empty.GetDiagnostics();
        foreach (var (page, text) in samples)
        {
            // a line of a list of methods, a file, or a program
            var line = text.TrimEnd().EndsWith(',') ? $"object[] all = [ LongTake.Methods.{text.Trim()} ];" : text;
            var kind = text.Contains("namespace ", StringComparison.Ordinal)
                ? OutputKind.DynamicallyLinkedLibrary
                : OutputKind.ConsoleApplication;
            var compiled = empty
                .WithOptions(new(kind, nullableContextOptions: NullableContextOptions.Enable))
                .AddSyntaxTrees(CSharpSyntaxTree.ParseText(line));
            Assert.Empty(
                compiled
                    .GetDiagnostics()
                    .Where(d => d.Severity == DiagnosticSeverity.Error)
                    .Select(d => $"{page}: {d.GetMessage()}\n{line}")
            );
        }
    }

    [Fact]
    public void EveryTestThatAPageNamesIsThere()
    {
        var tests = Directory
            .EnumerateFiles(Path.Combine(SourceFiles.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Select(Path.GetFileNameWithoutExtension)
            .ToHashSet();
        var missing = Pages()
            .SelectMany(p => TestName().Matches(p.Text).Select(m => (p.Page, Name: m.Value)))
            .Where(n => !tests.Contains(n.Name))
            .Select(n => $"{n.Page}: {n.Name}");
        Assert.Equal("", string.Join('\n', missing));
    }

    [Fact]
    public void EveryLinkLeadsSomewhere() =>
        Assert.Empty(
            from page in Pages()
            from link in Link().Matches(page.Text).Select(m => m.Groups[1].Value.Split('#')[0])
            where
                link.Length > 0
                && !link.Contains("://", StringComparison.Ordinal)
                && !Path.Exists(
                    Path.Combine(SourceFiles.Root, Path.GetDirectoryName(page.Page)!, Uri.UnescapeDataString(link))
                )
            select $"{page.Page}: {link}"
        );

    [GeneratedRegex(@"(^|/)(bin|obj|out|runs|build|artifacts|node_modules|\.git)/")]
    private static partial Regex Built();

    [GeneratedRegex(@"```(?:csharp|cs|c#)\r?\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Sample();

    [GeneratedRegex(@"\b[A-Z]\w*Tests\b")]
    private static partial Regex TestName();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
