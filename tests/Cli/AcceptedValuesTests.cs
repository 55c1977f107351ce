using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using LongTake.Cli;
using LongTake.Data;
using LongTake.Evaluation;
using LongTake.Generation;
using LongTake.Training;

namespace LongTake.Tests.Cli;

/// <summary>
/// Whatever is accepted, in an option or in a recipe, is what was given: thousands of values are put in, and every one
/// is refused or comes back as it was.
/// </summary>
public class AcceptedValuesTests
{
    private static readonly string[] numbers =
    [
        "0",
        "1",
        "7",
        "81",
        "977",
        "2.5",
        ".5",
        "5.",
        "-1",
        "-2",
        "-0",
        "+3",
        "007",
        "1e2",
        "1E-3",
        "2e400",
        "-2e400",
        "2,5",
        "1,000",
        "1.000,5",
        "1 000",
        "1_000",
        "1'000",
        "0x10",
        "10h",
        "NaN",
        "Infinity",
        "-Infinity",
        "\u221E",
        "abc",
        "2.5s",
        "\u0662",
        "\uFF11\uFF12",
        "1/2",
        "50%",
        "--",
        "",
        " ",
        "2.5.1",
        "1e",
        "e1",
        "99999999999",
        "2147483648",
        "-2147483649",
        "9223372036854775807",
        "9223372036854775808",
        "0.1",
        "1e-400",
        "16\u00A0",
        "1;2",
    ];

    [Fact]
    public void EveryNumberOfTheCommandLineIsTheOneGivenOrRefused()
    {
        var accepted = 0;
        foreach (var member in typeof(VideoRequest).GetProperties())
        {
            var type = Nullable.GetUnderlyingType(member.PropertyType) ?? member.PropertyType;
            if (type != typeof(int) && type != typeof(long) && type != typeof(double))
                continue;
            var options = new RequestOptions();
            var name = JsonNamingPolicy.CamelCase.ConvertName(member.Name);
            var option = new RequestOptions(null, name).All[0].Name;
            var verb = Options.Verb("v", "", options.All, _ => 0);
            foreach (var text in numbers)
            foreach (
                var form in (string[][])
                    [
                        [option, text],
                        [$"{option}={text}"],
                        [$"{option}:{text}"],
                    ]
            )
            {
                var parsed = verb.Parse(["--prompt", "a", .. form], Verbs.Configuration);
                if (parsed.Errors.Count > 0)
                    continue;
                if (parsed.GetResult(options.All.First(o => o.Name == option)) is null)
                    continue;
                var value = Convert.ToDouble(member.GetValue(options.Read(parsed, null)), CultureInfo.InvariantCulture);
                Assert.True(Plain(text, out var meant), $"{option} {text} was taken for {value}");
                Assert.Equal(meant, value);
                accepted++;
            }
        }
        Assert.True(accepted > 100, $"{accepted}");
    }

    /// <summary>.NET takes numbers and lists for names of enums.</summary>
    [Fact]
    public void NoOptionTakesANumberForAName()
    {
        var named = 0;
        foreach (var (verb, option) in All(Verbs.Root(), []))
            if (option.ValueType.IsEnum || Nullable.GetUnderlyingType(option.ValueType)?.IsEnum == true)
            {
                foreach (var given in (string[])["0", "1", "-1", "auto,on", "wan,comfy", "nobody", ""])
                    Assert.NotEmpty(Verbs.Parse([.. verb, option.Name, given]).Errors);
                named++;
            }
        Assert.True(named >= 4, $"{named}");
        foreach (var given in (string[])["0", "few-step,euler", "2"])
            Assert.NotEmpty(Verbs.Parse(["generate", "a", "--sampler", given]).Errors);
        foreach (var row in (string[])["a=b#0:FewStep:4:1", "a=b#DmHead:1:4:1", "a=b#DmHead,Teacher:FewStep:4:1"])
            Assert.Contains("one of", Assert.Throws<UserException>(() => EvalVerb.Parse(row)).Message);
        Assert.Equal(Sampler.Dpm, EvalVerb.Parse("a=b#dm-head:dpm++:4:1.5").Video.Sampler);
    }

    private static IEnumerable<(string[] Verb, Option Option)> All(Command command, string[] above) =>
        command.Options.Select(o => (above, o)).Concat(command.Subcommands.SelectMany(c => All(c, [.. above, c.Name])));

    // What a person means by digits with a point: read by other code than the program's.
    private static bool Plain(string text, out double value)
    {
        value = 0;
        return text.Length > 0
            && text.All(c => char.IsAsciiDigit(c) || c is '.' or '-' or '+' or 'e' or 'E')
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
            && double.IsFinite(value);
    }

    [Theory]
    [InlineData("-p", "@nobody", "@nobody")]
    [InlineData("--prompt", "@a.rsp walks", "@a.rsp walks")]
    [InlineData("--image", "@me.png", "@me.png")]
    [InlineData("--negative-prompt", "@", "@")]
    [InlineData("--model", "@folder", "@folder")]
    public void AValueMayBeginWithAnAt(string option, string given, string value)
    {
        var parsed = Verbs.Parse(["generate", option, given]);
        Assert.Empty(parsed.Errors);
        Assert.Equal(
            value,
            parsed.GetValue<string>(
                parsed.CommandResult.Command.Options.First(o => o.Name == option || o.Aliases.Contains(option)).Name
            )
        );
    }

    [Theory]
    [InlineData("mini/mmm-smoke.json", 3000)]
    [InlineData("mini/traveller.json", 2000)]
    [InlineData("mini/table.json", 2000)]
    [InlineData("wan-1.3b/generate.json", 1500)]
    [InlineData("wan-1.3b/mmm-30s.json", 1500)]
    public void EveryValueOfARecipeIsTheOneGivenOrRefused(string recipe, int times)
    {
        var path = Path.Combine(SourceFiles.Root, "recipes", recipe);
        var accepted =
            recipe.Contains("table") ? Mutate(path, times, ComparisonJson.Default.ComparisonTable)
            : recipe.Contains("generate") ? Mutate(path, times, VideoJson.Default.VideoRecipe)
            : Mutate(path, times, TrainJson.Recipe);
        Assert.InRange(accepted, times / 20, times - times / 20); // both happen
    }

    [Fact]
    public void EveryValueOfADataRecipeIsTheOneGivenOrRefused()
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, "{}");
        Assert.InRange(Mutate(path, 2000, DataRecipeJson.Default.DataRecipe), 100, 1900);
        File.Delete(path);
    }

    private static int Mutate<T>(string path, int times, JsonTypeInfo<T> info)
    {
        var whole = JsonSerializer.SerializeToNode(Recipe.Read(path, [], info), info)!.AsObject();
        var random = new Random(7);
        var accepted = 0;
        for (var n = 0; n < times; n++)
        {
            var changed = whole.DeepClone().AsObject();
            var (at, key, place) = Leaf(changed, random);
            var given = Other(at is JsonObject ? at[key] : at[place], random);
            if (random.Next(10) == 0 && at is JsonObject named)
            {
                named[key + "x"] = given?.DeepClone(); // a member that is not known
                // costs of a table, and changes of its stages, are objects of any names
                if (!named.GetPath().Contains(".cost") && !named.GetPath().Contains(".with"))
                    Assert.Throws<UserException>(() => Recipe.Parse(changed.ToJsonString(), "r", [], info));
                continue;
            }
            if (at is JsonObject o)
                o[key] = given;
            else
                at[place] = given;
            T read;
            try
            {
                read = Recipe.Parse(changed.ToJsonString(), "r", [], info);
            }
            catch (UserException)
            {
                continue;
            }
            if (read is TrainRecipe recipe && recipe.Problems().Any())
                continue;
            accepted++;
            var back = JsonSerializer.SerializeToNode(read, info)!;
            Assert.True(Same(changed, back), $"{at.GetPath()}.{key}{place}: given {given?.ToJsonString() ?? "null"}");
        }
        return accepted;
    }

    private static (JsonNode At, string Key, int Place) Leaf(JsonNode node, Random random)
    {
        while (true)
        {
            var key = "";
            var place = 0;
            JsonNode? next;
            if (node is JsonObject { Count: > 0 } o)
                (key, next) = o.ElementAt(random.Next(o.Count));
            else if (node is JsonArray { Count: > 0 } list)
                next = list[place = random.Next(list.Count)];
            else
                return (node.Parent!, node.Parent is JsonObject ? node.GetPropertyName() : "", 0);
            if (next is not (JsonObject { Count: > 0 } or JsonArray { Count: > 0 }))
                return (node, key, place);
            node = next;
        }
    }

    private static JsonNode? Other(JsonNode? old, Random random) =>
        random.Next(16) switch
        {
            0 => null,
            1 => JsonValue.Create(true),
            2 => JsonValue.Create("2,5"),
            3 => JsonValue.Create("12"),
            4 => JsonNode.Parse("1e999"),
            5 => JsonValue.Create(-4),
            6 => JsonValue.Create(2.5),
            7 => JsonNode.Parse("99999999999"),
            8 => JsonNode.Parse("[]"),
            9 => JsonNode.Parse("{}"),
            10 => JsonValue.Create(""),
            11 => JsonValue.Create(0),
            12 => JsonNode.Parse("3.0"),
            13 => JsonNode.Parse("1e2"),
            14 => JsonNode.Parse("""[1, "2", null]"""),
            _ => old is JsonValue v && v.TryGetValue(out double d)
                ? JsonValue.Create(d + 1)
                : JsonValue.Create("Euler"),
        };

    // Numbers by value; what was left out may have come in with its default.
    private static bool Same(JsonNode? given, JsonNode? back) =>
        (given, back) switch
        {
            (null, null) => true,
            (JsonObject a, JsonObject b) => a.All(m =>
                m.Key == "extends" || b.ContainsKey(m.Key) ? Same(m.Value, b[m.Key]) : m.Value is null
            ),
            (JsonArray a, JsonArray b) => a.Count == b.Count && a.Zip(b).All(p => Same(p.First, p.Second)),
            (JsonValue a, JsonValue b)
                when a.GetValueKind() == JsonValueKind.Number && b.GetValueKind() == JsonValueKind.Number =>
                double.Parse(a.ToJsonString(), CultureInfo.InvariantCulture)
                    == double.Parse(b.ToJsonString(), CultureInfo.InvariantCulture),
            (JsonValue a, JsonValue b) => a.ToString().Equals(b.ToString(), StringComparison.OrdinalIgnoreCase),
            _ => false,
        };
}
