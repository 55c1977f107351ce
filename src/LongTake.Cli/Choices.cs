using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;
using LongTake.Generation;

namespace LongTake.Cli;

/// <summary>
/// Values that are names of an enum. They are written few-step, unipc, dpm++, and read in any case, with or without
/// hyphens; numbers and lists, which the parser of .NET takes for enums too, are refused.
/// </summary>
internal static class Choices
{
    /// <summary>An option whose value is one of an enum's, or of those given.</summary>
    public static Option<T> Option<T>(string name, string help, params T[] among)
        where T : struct, Enum
    {
        string[] names = [.. (among.Length > 0 ? among : Enum.GetValues<T>()).Select(v => $"{v}")];
        return new(name)
        {
            Description = help,
            HelpName = Among(typeof(T), names, "|"),
            CustomParser = r =>
            {
                var given = r.Tokens.Count == 1 ? r.Tokens[0].Value : "";
                if (Meant(names, given) is { } meant)
                    return Enum.Parse<T>(meant);
                r.AddError($"{name} {given}: one of {Among(typeof(T), names, ", ")}");
                return default;
            },
        };
    }

    /// <summary>The name that a text means; null when it means none.</summary>
    public static string? Meant(IReadOnlyList<string> names, string given) =>
        names.FirstOrDefault(n =>
            n.Equals(given.Replace("-", "").Replace("+", ""), StringComparison.OrdinalIgnoreCase)
        );

    /// <summary>The names as they are written.</summary>
    public static string Among(Type type, IReadOnlyList<string> names, string between) =>
        string.Join(
            between,
            names.Select(n =>
                Enum.Parse(type, n) switch
                {
                    Sampler sampler => sampler.Name(),
                    Target target => $"{target}".ToLowerInvariant(),
                    _ => JsonNamingPolicy.KebabCaseLower.ConvertName(n),
                }
            )
        );
}
