using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsvHelper;
using CsvHelper.Configuration;

namespace LongTake.Generation;

/// <summary>One video of a prompt file.</summary>
/// <param name="Line">Where it stands in the file, from 1.</param>
/// <param name="Name">What its file is called, without an ending; null for a number.</param>
/// <param name="Request">What is asked for.</param>
public sealed record PromptRow(int Line, string? Name, VideoRequest Request);

/// <summary>
/// A file of prompts, a video each: .txt (a prompt a line), .csv or .tsv (the first line names the columns), .jsonl (an
/// object a line). What a row does not say is that of the request that all share.
/// </summary>
public static class PromptFile
{
    /// <summary>What a row may say of its video, with the names of <see cref="VideoRequest"/>, beside "name".</summary>
    public static IReadOnlyList<string> Members { get; } =
    ["prompt", "negativePrompt", "seed", "seconds", "frames", "steps", "guidance", "image"];

    private static readonly string[] texts = ["prompt", "negativePrompt", "image", "name"];

    /// <summary>The videos of a file.</summary>
    /// <exception cref="UserException">The file, or a line of it, is not what it should be; the line is
    /// named.</exception>
    public static IReadOnlyList<PromptRow> Read(string path, VideoRequest shared)
    {
        if (!File.Exists(path))
            throw new UserException($"{path}: not there");
        var kind = Path.GetExtension(path).ToLowerInvariant();
        List<(int Line, JsonObject Row)> rows = kind switch
        {
            ".txt" =>
            [
                .. TextFile
                    .Lines(path)
                    .Select((text, n) => (n + 1, new JsonObject { ["prompt"] = text.Trim() }))
                    .Where(r => (string)r.Item2["prompt"]! != ""),
            ],
            ".csv" or ".tsv" => [.. Csv(path, kind == ".csv" ? "," : "\t")],
            ".jsonl" =>
            [
                .. TextFile
                    .Lines(path)
                    .Index()
                    .Where(l => l.Item.Trim().Length > 0)
                    .Select(l => (l.Index + 1, Parsed(path, l.Index + 1, l.Item))),
            ],
            _ => throw new UserException($"{path}: prompts are read from .txt, .csv, .tsv and .jsonl", usage: true),
        };
        if (rows.Count == 0)
            throw new UserException($"{path}: no prompt in it");
        List<PromptRow> all = [.. rows.Select(r => Row(path, r.Line, r.Row, shared))];
        if (all.Where(r => r.Name is not null).GroupBy(r => r.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UserException(
                $"{path}: lines {string.Join(" and ", twice.Select(r => r.Line))} have the same name '{twice.Key}'"
            );
        return all;
    }

    private static JsonObject Parsed(string path, int line, string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new() { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new UserException($"{path}: line {line}: an object is expected, {{\"prompt\": \"...\"}}");
        }
        catch (JsonException e)
        {
            throw new UserException($"{path}: line {line}: not JSON: {e.Message}", inner: e);
        }
    }

    private static IEnumerable<(int, JsonObject)> Csv(string path, string delimiter)
    {
        using var csv = new CsvReader(
            TextFile.Open(path),
            new CsvConfiguration(CultureInfo.InvariantCulture)
            {
                Delimiter = delimiter,
                TrimOptions = TrimOptions.Trim,
                BadDataFound = b => throw Quotes(path, b.Context.Parser?.RawRow ?? 0),
            }
        );
        if (!csv.Read() || !csv.ReadHeader())
            yield break;
        string[] names = [.. csv.HeaderRecord!.Select(n => n.Trim())];
        if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UserException($"{path}: the column '{twice.Key}' is there twice");
        while (csv.Read())
        {
            var (line, fields) = (csv.Context.Parser!.RawRow, csv.Parser.Record!);
            if (csv.Parser.RawRecord.Count(c => c == '"') % 2 != 0)
                throw Quotes(path, line); // it took all that follows
            if (fields.Length != names.Length)
                throw new UserException(
                    $"{path}: line {line}: {fields.Length} fields, the first line names {names.Length}"
                );
            var row = new JsonObject();
            foreach (var (name, text) in names.Zip(fields).Where(f => f.Second.Length > 0))
                row[name] = texts.Contains(name) ? text : Number(path, line, name, text);
            yield return (line, row);
        }
    }

    private static UserException Quotes(string path, int line) =>
        new(
            $"{path}: line {line}: a quotation mark in the middle of a field, or one that is left open; put quotes "
                + "around the whole field and double those within"
        );

    private static JsonNode Number(string path, int line, string name, string text)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return whole;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var v) && double.IsFinite(v)
            ? v
            : throw new UserException($"{path}: line {line}: {name} '{text}': a number is expected, such as 2.5");
    }

    private static PromptRow Row(string path, int line, JsonObject row, VideoRequest shared)
    {
        if (row.FirstOrDefault(m => m.Key != "name" && !Members.Contains(m.Key)).Key is { } strange)
            throw new UserException(
                $"{path}: line {line}: '{strange}': a row may have name, {string.Join(", ", Members)}; everything "
                    + "else is the same for all videos, and given as an option"
            );
        var name = Name(path, line, row);
        row.Remove("name");
        var request = JsonSerializer.SerializeToNode(shared, VideoJson.Default.VideoRequest)!.AsObject();
        // A row's length replaces the shared one, in whichever unit that is.
        if (row.ContainsKey("seconds") || row.ContainsKey("frames"))
            (request["seconds"], request["frames"]) = (null, null);
        foreach (var (member, value) in row)
            request[member] = value?.DeepClone();
        try
        {
            var read = request.Deserialize(VideoJson.Default.VideoRequest)!;
            return string.IsNullOrWhiteSpace(read.Prompt)
                ? throw new UserException($"{path}: line {line}: no prompt")
                : new(line, name, read);
        }
        catch (JsonException e)
        {
            var member = e.Path?.TrimStart('$', '.') ?? "";
            throw new UserException(
                $"{path}: line {line}: {member} {row[member]?.ToJsonString()}: not a value of {member}",
                inner: e
            );
        }
    }

    private static string? Name(string path, int line, JsonObject row)
    {
        if (row["name"] is not { } node)
            return null;
        var name = node.GetValueKind() == JsonValueKind.String ? (string)node! : node.ToJsonString();
        return
            name.Length is > 0 and <= 200
            && name[0] != '.'
            && name.IndexOfAny([.. Path.GetInvalidFileNameChars(), '/', '\\', ':']) < 0
            ? name
            : throw new UserException($"{path}: line {line}: name '{name}': not the name of a file");
    }
}
