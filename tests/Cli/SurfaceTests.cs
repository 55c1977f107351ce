using System.CommandLine;
using LongTake.Cli;

namespace LongTake.Tests.Cli;

/// <summary>What people type is frozen: a new verb or option is a change of these files.</summary>
public sealed class SurfaceTests
{
    [Fact]
    public void VerbsAndOptions() =>
        Expectation.Same("cli/surface.txt", string.Concat(Lines(Verbs.Root(), "").Select(l => l + "\n")));

    public static TheoryData<string> All() => [.. Commands(Verbs.Root(), "")];

    [Theory]
    [MemberData(nameof(All))]
    public void Help(string verb)
    {
        using var program = new CommandLine();
        var name = verb.Length == 0 ? "longtake" : verb.Replace(' ', '-');
        Expectation.Same(
            $"cli/help-{name}.txt",
            program.Transcript([.. verb.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"])
        );
    }

    private static IEnumerable<string> Commands(Command at, string path) =>
        [path, .. at.Subcommands.SelectMany(c => Commands(c, $"{path} {c.Name}".Trim()))];

    private static IEnumerable<string> Lines(Command at, string path) =>
        [
            .. at.Subcommands.Count > 0
                ? Array.Empty<string>()
                : [$"{path}{string.Concat(at.Arguments.Select(a => $" <{a.Name}>"))}"],
            .. at
                .Options.Where(o => o.Name is not ("--help" or "--version"))
                .OrderBy(o => o.Name, StringComparer.Ordinal)
                .Select(o =>
                    $"    "
                    + $"{string.Join(' ', o.Aliases.Order(StringComparer.Ordinal).Prepend(o.Name))}{(o.Required ? " (required)" : "")}"
                ),
            .. at
                .Subcommands.OrderBy(c => c.Name, StringComparer.Ordinal)
                .SelectMany(c => Lines(c, $"{path} {c.Name}".Trim())),
        ];
}
