using System.CommandLine;
using System.CommandLine.Parsing;

namespace LongTake.Cli;

/// <summary>Options that several verbs have, and what makes a verb of them.</summary>
internal static class Options
{
    /// <summary>A verb: its arguments and options in the order of its help, and what it does.</summary>
    public static Command Verb(string name, string help, IEnumerable<Symbol> symbols, Func<ParseResult, int> run)
    {
        var verb = new Command(name, help);
        foreach (var symbol in symbols)
            if (symbol is Option option)
            {
                ReadNumbers(option);
                verb.Options.Add(option);
            }
            else
                verb.Arguments.Add((System.CommandLine.Argument)symbol);
        verb.SetAction(run);
        return verb;
    }

    // The parser's own reading takes 2,5 for 25.
    private static void ReadNumbers(Option option)
    {
        const string whole = "a whole number",
            real = "a number, for example 2.5";
        if (option is Option<int> ints)
            ints.CustomParser = r => Number<int>(r, Numbers.TryParse, whole);
        else if (option is Option<int?> maybeInts)
            maybeInts.CustomParser = r => Number<int>(r, Numbers.TryParse, whole);
        else if (option is Option<long> longs)
            longs.CustomParser = r => Number<long>(r, Numbers.TryParse, whole);
        else if (option is Option<long?> maybeLongs)
            maybeLongs.CustomParser = r => Number<long>(r, Numbers.TryParse, whole);
        else if (option is Option<double> doubles)
            doubles.CustomParser = r => Number<double>(r, Numbers.TryParse, real);
        else if (option is Option<double?> maybeDoubles)
            maybeDoubles.CustomParser = r => Number<double>(r, Numbers.TryParse, real);
    }

    private delegate bool Reading<T>(ReadOnlySpan<char> text, out T value);

    private static T Number<T>(ArgumentResult result, Reading<T> read, string what)
        where T : struct
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        if (read(text, out var value))
            return value;
        result.AddError($"{(result.Parent as OptionResult)?.Option.Name} {text}: {what}{Numbers.Instead(text)}");
        return default;
    }

    public static Option<bool> Json() => new("--json") { Description = "print one JSON object instead of text" };

    public static Option<bool> Dry(string what) => new("--dry-run") { Description = $"print {what} and stop" };

    public static Option<string> Output(string what, string @default) =>
        new("--output", "-o") { Description = what, DefaultValueFactory = _ => @default };

    public static Option<string[]> Sets(string example) =>
        new("--set") { Description = $"change a member of the recipe: --set {example}" };

    public static Option<string> Device() =>
        new("--device")
        {
            Description = "where to compute; auto: on a GPU where there is one",
            DefaultValueFactory = _ => "auto",
            HelpName = ComputeDevice.Names,
        };

    public static Option<string?> DeviceOver(string file) =>
        new("--device")
        {
            Description = $"where to compute, instead of where the {file} says",
            HelpName = ComputeDevice.Names,
        };

    /// <summary>The element type that a video is computed in.</summary>
    public static Option<WeightType> Dtype()
    {
        var type = Choices.Option("--dtype", "element type to compute in", WeightType.Bf16, WeightType.Fp32);
        type.DefaultValueFactory = _ => WeightType.Bf16;
        return type;
    }
}
