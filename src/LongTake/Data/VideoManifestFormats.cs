using System.Globalization;
using System.Text;
using System.Text.Json;
using CsvHelper;
using CsvHelper.Configuration;

namespace LongTake.Data;

// The layouts, each read into rows.
internal static partial class VideoManifest
{
    private static List<ManifestRow> Csv(string path)
    {
        string header;
        using (var peek = TextFile.Open(path))
            header = Head(peek);
        var separator = ((char[])[',', ';', '\t']).MaxBy(c => header.Count(h => h == c));
        var bad = false;
        var configuration = new CsvConfiguration(CultureInfo.InvariantCulture)
        {
            Delimiter = separator.ToString(),
            MaxFieldSize = LongestField,
            IgnoreBlankLines = true,
            BadDataFound = _ => bad = true,
            MissingFieldFound = null,
            HeaderValidated = null,
            DetectColumnCountChanges = false,
            TrimOptions = TrimOptions.Trim,
        };
        using var csv = new CsvReader(TextFile.Open(path), configuration);
        var rows = new List<ManifestRow>();
        try
        {
            if (!csv.Read() || !csv.ReadHeader())
                throw new UserException($"{path}: empty; its first line must name the columns, such as video,caption");
            string[] names = [.. csv.HeaderRecord!.Select(n => n.Trim().ToLowerInvariant())];
            Require(path, names);
            if (Misspelt(names) is { Length: > 0 } misspelt)
                throw new UserException($"{path}: {misspelt}");
            if (names.GroupBy(n => n).FirstOrDefault(g => g.Count() > 1) is { } twice)
                throw new UserException($"{path}: the column {Quote(twice.Key)} is there twice; one of them must go");
            while (csv.Read())
            {
                long line = csv.Context.Parser!.RawRow;
                var fields = csv.Parser.Record!; // what is bad in them is found only now
                if (bad || csv.Parser.RawRecord.Count(c => c == '"') % 2 != 0)
                    rows.Add(
                        Bad(
                            line,
                            "a quotation mark in the middle of a field, or one that is left open; put quotes around "
                                + "the whole field and double those within"
                        )
                    );
                else if (fields.Length != names.Length)
                    rows.Add(Bad(line, $"{fields.Length} fields, the first line names {names.Length}"));
                else
                {
                    string Field(string column) => Array.IndexOf(names, column) is >= 0 and var at ? fields[at] : "";
                    rows.Add(Row(line, Field, First(Field, Captions), []));
                }
                bad = false;
            }
        }
        catch (CsvHelperException e)
        {
            var why =
                e is MaxFieldSizeException
                    ? $"a field of more than {LongestField >> 20} MB; is a quotation mark left open?"
                    : e.Message.Split('\n')[0];
            throw new UserException($"{path}: line {csv.Context.Parser?.RawRow ?? 0}: {why}", inner: e);
        }
        return rows;
    }

    private static string Head(StreamReader reader)
    {
        var text = new StringBuilder();
        for (var n = 0; n < 1 << 16 && reader.Read() is >= 0 and var c && c != '\n'; n++)
            text.Append((char)c);
        return text.ToString();
    }

    private static List<ManifestRow> Json(string path)
    {
        if (new FileInfo(path).Length > LargestJson)
            throw new UserException(
                $"{path}: {new FileInfo(path).Length >> 20} MB; at most {LargestJson >> 20} MB of JSON are "
                    + $"read at once, use .jsonl (one object a line)"
            );
        var text = TextFile.Read(path);
        try
        {
            using var document = JsonDocument.Parse(
                text,
                new() { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip }
            );
            var root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object)
            {
                // One list inside, or a map of path to caption.
                var lists = root.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Array).ToList();
                if (lists.Count == 1)
                    root = lists[0].Value;
                else if (
                    root.EnumerateObject().Any()
                    && root.EnumerateObject().All(p => p.Value.ValueKind == JsonValueKind.String)
                )
                    return
                    [
                        .. root.EnumerateObject()
                            .Select((p, n) => Checked(new(n + 1, p.Name, [], Clean(p.Value.GetString()!), []))),
                    ];
            }
            if (root.ValueKind != JsonValueKind.Array)
                throw new UserException(
                    $"{path}: a list of objects is expected, [{{\"video\": \"a.mp4\", \"caption\": \"...\"}}, "
                        + $"...], or one object of path to caption"
                );
            List<ManifestRow> rows = [.. root.EnumerateArray().Select((e, n) => Row(n + 1, e))];
            return Some(path, rows);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UserException($"{path}: not JSON: {Line(e)}", inner: e);
        }
    }

    private static List<ManifestRow> Lines(string path)
    {
        var rows = new List<ManifestRow>();
        using var reader = TextFile.Open(path);
        for (var line = 1L; reader.ReadLine() is { } text; line++)
        {
            if (string.IsNullOrWhiteSpace(text))
                continue;
            if (text.Length > LongestField)
                rows.Add(Bad(line, $"a line of {text.Length / 1e6:0.#} MB; at most {LongestField >> 20} MB"));
            else
                try
                {
                    using var document = JsonDocument.Parse(text);
                    rows.Add(Row(line, document.RootElement));
                }
                catch (JsonException e)
                {
                    rows.Add(Bad(line, $"not JSON: {e.Message}"));
                }
        }
        return Some(path, rows);
    }

    private static List<ManifestRow> Pair(string path, out string prompts)
    {
        prompts = Prompts(path)
            ?? throw new UserException(
                $"{path}: no prompt.txt, prompts.txt or captions.txt beside it, with a caption a line"
            );
        string[] Read(string file)
        {
            List<string> lines = [.. TextFile.Lines(file)];
            while (lines.Count > 0 && lines[^1].Length == 0)
                lines.RemoveAt(lines.Count - 1);
            return [.. lines];
        }
        var (videos, captions) = (Read(path), Read(prompts));
        if (videos.Length != captions.Length)
            throw new UserException(
                $"{path}: {videos.Length} lines, {Path.GetFileName(prompts)} has {captions.Length}; each video "
                    + $"needs its line of caption (an empty one is allowed)"
            );
        return
        [
            .. videos.Select(
                (v, n) =>
                    v.Trim().Length == 0
                        ? Bad(n + 1, "an empty line")
                        : Checked(new(n + 1, v.Trim(), [], Clean(captions[n]), []))
            ),
        ];
    }
}
