using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Data;

namespace LongTake.Tests.Data;

/// <summary>What manifests and data recipes give is taken as it is given, or refused.</summary>
public sealed class ManifestValuesTests : IDisposable
{
    private static readonly string[] videos = ["a.mp4", "sub/b.mp4", "c d.mp4"];
    private readonly string root = Directory.CreateTempSubdirectory("longtake-values-").FullName;

    public ManifestValuesTests()
    {
        Directory.CreateDirectory(Path.Combine(root, "sub"));
        foreach (var video in videos)
            File.WriteAllText(Path.Combine(root, video), "video");
    }

    public void Dispose() => Directory.Delete(root, recursive: true);

    private (IReadOnlyList<SourceFile> Files, IReadOnlyList<Refused> Refused) Find(string name, string text)
    {
        var path = Path.Combine(root, name);
        File.WriteAllText(path, text);
        try
        {
            return Sources.Find([path], Path.Combine(root, "unpacked"));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("m.jsonl", """{"video":"a.mp4","caption":{"text":"x"}}""", "caption: a text is expected")]
    [InlineData("m.jsonl", """{"video":"a.mp4","caption":true}""", "caption: a text is expected")]
    [InlineData("m.jsonl", """{"video":"a.mp4","cap":["x",["y"]]}""", "cap: a text is expected")]
    [InlineData("m.jsonl", """{"video":"a.mp4","caption":"x","Caption":"y"}""", "is there twice")]
    [InlineData("m.jsonl", """{"video":["a.mp4","sub/b.mp4"],"caption":"x"}""", "video: a text is expected")]
    [InlineData("m.jsonl", """{"video":"a.mp4","caption":"x","windows":"y"}""", "windows: a list of texts")]
    [InlineData("m.jsonl", """{"video":"a.mp4","caption":"\ud83d x"}""", "not JSON")]
    [InlineData("m.json", """[{"video":"a.mp4","caption":"x"},{"video":"a.mp4","caption":"y"}]""", "another caption")]
    [InlineData("m.csv", "video,caption\na.mp4,\"left open\nsub/b.mp4,y\n", "left open")]
    [InlineData("m.jsonl", """{"video":"a.mp4","captoin":"x"}""", "is the column 'captoin' meant as 'caption'?")]
    [InlineData("m.csv", "video,caption\na.mp4,x,y\n", "3 fields")]
    [InlineData("m.csv", "video,caption\na.mp4,x\n./a.mp4,y\n", "another caption of 'a.mp4' than in")]
    public void WhatIsAmbiguousIsRefused(string name, string text, string reason)
    {
        var (files, refused) = Find(name, text);
        Assert.Contains(reason, Assert.Single(refused).Reason);
        Assert.All(files, f => Assert.Equal("x", f.Caption));
    }

    [Fact]
    public void AColumnThatIsThereTwiceOrMisspeltIsAnError()
    {
        string Error(string text) => Assert.Throws<UserException>(() => Find("m.csv", text)).Message;
        Assert.Contains("'caption' is there twice", Error("video,caption,Caption\na.mp4,x,y\n"));
        Assert.Contains("is the column 'captions' meant as 'caption'?", Error("video,captions\na.mp4,x\n"));
    }

    [Fact]
    public void NoMutationOfAManifestGivesAVideoAnotherCaptionThanWasGiven()
    {
        var (accepted, refusals) = (0, 0);
        var random = new Rng(5);
        for (var n = 0; n < 3000; n++)
        {
            string[] captions = [.. videos.Select((_, v) => $"take {n} {v}, \"it\"; über 狐")];
            var rows = videos
                .Zip(captions, (v, c) => JsonSerializer.Serialize(new { video = v, caption = c }))
                .ToList();
            var (name, text) = (n % 3) switch
            {
                0 => (
                    "m.csv",
                    "video,caption\n"
                        + string.Concat(videos.Zip(captions, (v, c) => $"{v},\"{c.Replace("\"", "\"\"")}\"\n"))
                ),
                1 => ("m.json", $"[{string.Join(",", rows)}]"),
                _ => ("m.jsonl", string.Join('\n', rows)),
            };
            text = Mutated(text, random);
            try
            {
                var (files, refused) = Find(name, text);
                var given = Given(name, text);
                refusals += refused.Count > 0 ? 1 : 0;
                foreach (var file in files)
                {
                    var said = given
                        .Where(g => Path.GetFullPath(g.Video.Replace('\\', '/'), root) == file.Path)
                        .ToList();
                    var wanted = said.Select(g => Plain(g.Caption)).Where(c => c.Length > 0).ToList();
                    if (file.CaptionFrom == name)
                        Assert.True(wanted.FirstOrDefault() == Plain(file.Caption), $"{n}: {file.Caption}\n{text}");
                    else
                        Assert.True(
                            wanted.Count == 0 || refused.Count > 0,
                            $"{n}: {file.Path} lost its caption\n{text}"
                        );
                    accepted++;
                }
            }
            catch (UserException)
            {
                refusals++;
            }
        }
        Assert.True(accepted > 2000 && refusals > 500, $"{accepted} accepted, {refusals} refused");
    }

    // The rows by another way of reading them.
    private static List<(string Video, string Caption)> Given(string name, string text) =>
        name switch
        {
            "m.csv" when Csv(text)[0] is [var video, var said] && video.Trim() == "video" && IsCaption(said) =>
            [
                .. Csv(text).Skip(1).Where(r => r.Count >= 2).Select(r => (r[0].Trim(), r[1])),
            ],
            "m.csv" => [],
            "m.json" => [.. (Parsed(text) as JsonArray ?? []).Select(Row)],
            _ => [.. text.Split('\r', '\n').Select(l => Row(Parsed(l)))],
        };

    private static bool IsCaption(string column) => VideoManifest.Captions.Contains(column.Trim());

    private static JsonNode? Parsed(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new() { AllowTrailingCommas = true });
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static (string, string) Row(JsonNode? node) =>
        node is JsonObject row
            ? ($"{row["video"]}", $"{row[VideoManifest.Captions.FirstOrDefault(row.ContainsKey) ?? "caption"]}")
            : ("", "");

    private static List<List<string>> Csv(string text)
    {
        List<List<string>> rows =
        [
            [""],
        ];
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
            if (quoted && text[i] == '"' && i + 1 < text.Length && text[i + 1] == '"')
                (rows[^1][^1], i) = (rows[^1][^1] + '"', i + 1);
            else if (text[i] == '"' && (quoted || string.IsNullOrWhiteSpace(rows[^1][^1])))
                (quoted, rows[^1][^1]) = (!quoted, quoted ? rows[^1][^1] : "");
            else if (!quoted && text[i] == ',')
                rows[^1].Add("");
            else if (!quoted && text[i] is '\n' or '\r')
                rows.Add([""]);
            else
                rows[^1][^1] += text[i];
        return rows;
    }

    private static string Plain(string text) =>
        string.Join(
            ' ',
            new string([.. text.Select(c => char.IsControl(c) ? ' ' : c)]).Split(
                ' ',
                StringSplitOptions.RemoveEmptyEntries
            )
        );

    private static string Mutated(string text, Rng random)
    {
        for (var times = 1 + random.Int(3); times > 0; times--)
        {
            var at = random.Int(text.Length);
            string[] pieces =
            [
                "\"",
                "\"\"",
                ",",
                "\n",
                "\\",
                "}",
                "{",
                ":",
                "0",
                " ",
                "\t",
                "é",
                "\\u00e9",
                "null",
                "a.mp4",
            ];
            text = random.Int(4) switch
            {
                0 => text.Remove(at, Math.Min(text.Length - at, 1 + random.Int(4))),
                1 => text[..at] + text[random.Int(text.Length)] + text[Math.Min(text.Length, at + 1)..],
                _ => text.Insert(at, pieces[random.Int(pieces.Length)]),
            };
        }
        return text;
    }

    [Fact]
    public void AValueOfADataRecipeThatIsAcceptedIsTheValueGiven()
    {
        string[] values =
        [
            "-1",
            "-0.5",
            "0",
            "0.5",
            "1",
            "3",
            "7.25",
            "64",
            "1e9",
            "1e400",
            "-1e400",
            "1e-400",
            "null",
            "true",
            "\"2,5\"",
            "\"2.5\"",
            "\"NaN\"",
            "\"832x480\"",
            "[]",
            "{}",
            "[\"8,3x4\"]",
            "[\" 832x480\"]",
            "[\"+832x480\"]",
            "[\"832x480\"]",
        ];
        var whole = Parse("{}")!;
        var (accepted, refused) = (0, 0);
        foreach (var (path, _) in Leaves(whole, ""))
        foreach (var value in values)
        {
            var names = path.Split('.');
            var text = names.Reverse().Aggregate(value, (inner, name) => $"{{\"{name}\":{inner}}}");
            if (Parse(text) is not { } read)
            {
                refused++;
                continue;
            }
            accepted++;
            var back = names.Aggregate((JsonNode?)read, (node, name) => node?[name]);
            Assert.True(
                JsonNode.DeepEquals(JsonNode.Parse(value), back)
                    || (
                        back?.GetValueKind() == JsonValueKind.Number
                        && double.TryParse(value, out var d)
                        && d == double.Parse(back.ToJsonString())
                    ),
                $"{path}: given {value}, taken as {back?.ToJsonString()}"
            );
        }
        Assert.True(accepted > 150 && refused > 500, $"{accepted} accepted, {refused} refused");
    }

    private static JsonNode? Parse(string text)
    {
        try
        {
            var recipe = Recipe.Parse(text, "recipe", [], DataRecipeJson.Default.DataRecipe);
            return recipe.Problems().Any()
                ? null
                : JsonSerializer.SerializeToNode(recipe, DataRecipeJson.Default.DataRecipe);
        }
        catch (UserException)
        {
            return null;
        }
    }

    private static IEnumerable<(string Path, JsonNode? Value)> Leaves(JsonNode? node, string path) =>
        node is JsonObject all
            ? all.SelectMany(m => Leaves(m.Value, path.Length > 0 ? $"{path}.{m.Key}" : m.Key))
            : [(path, node)];
}
