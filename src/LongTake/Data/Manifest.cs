using System.Globalization;
using System.Text;
using System.Text.Json;
using CsvHelper;
using CsvHelper.Configuration;

namespace LongTake.Data;

/// <summary>One line of a manifest: a path, or ids to find the file by, and what is said of it; or a problem.</summary>
internal sealed record ManifestRow(
    long Line,
    string Path,
    IReadOnlyList<string> Ids,
    string Caption,
    IReadOnlyList<string> Windows,
    string Problem = ""
);

/// <summary>
/// Lists of videos in the layouts that trainers and data sets use: csv, json, jsonl (Hugging Face, diffusion trainers),
/// videos2caption.json (FastVideo), videos.txt with prompt.txt or captions.txt (finetrainers), the csv files of Sekai
/// and MiraData. Rows that cannot be used carry their problem; a file that cannot be used at all is an error.
/// </summary>
internal static class Manifest
{
    /// <summary>
    /// Columns that name the video, most telling first; then ids, by which it is found on disk; then captions.
    /// </summary>
    public static readonly string[] Paths =
        ["video", "video_path", "path", "file_name", "file_path", "file", "filename", "videofile", "clip_path"],
        Ids = ["clip_id", "clip_name", "video_name", "videofile", "index", "id", "name", "video_id"],
        Captions = ["caption", "prompt", "cap", "text", "dense_caption", "short_caption"];

    private const int LongestField = 1 << 20;
    private const long LargestJson = 512L << 20;

    /// <summary>True when a source given by name is a manifest.</summary>
    public static bool Is(string path) =>
        Path.GetExtension(path).ToLowerInvariant() is ".csv" or ".tsv" or ".json" or ".jsonl" or ".ndjson"
        || IsList(path);

    /// <summary>True when a file met in a folder is one by its usual name.</summary>
    public static bool IsUsual(string path) =>
        Path.GetFileName(path).ToLowerInvariant()
            is "metadata.csv"
                or "metadata.json"
                or "metadata.jsonl"
                or "videos2caption.json"
        || (IsList(path) && Prompts(path) is not null);

    /// <summary>The rows, and other files that belong to the manifest.</summary>
    /// <exception cref="UserException">The file cannot be read as what its name says, or no column names the
    /// videos.</exception>
    public static (IReadOnlyList<ManifestRow> Rows, IReadOnlyList<string> Companions) Read(string path)
    {
        try
        {
            return Path.GetExtension(path).ToLowerInvariant() switch
            {
                ".csv" or ".tsv" => (Csv(path), []),
                ".json" => (Json(path), []),
                ".jsonl" or ".ndjson" => (Lines(path), []),
                _ => (Pair(path, out var prompts), [prompts]),
            };
        }
        catch (DecoderFallbackException e)
        {
            throw new UserException($"{path}: not UTF-8 text ({e.Message}); save it as UTF-8", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>
    /// The caption in a file beside a video: a text, or JSON with one of the caption columns; "" when it holds none.
    /// </summary>
    public static string Side(string path)
    {
        if (new FileInfo(path).Length > LongestField)
            return "";
        try
        {
            var text = File.ReadAllText(path, Strict);
            if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                return Clean(text);
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? Clean(First(Member(document.RootElement), Captions))
                : "";
        }
        catch (Exception e)
            when (e is JsonException or DecoderFallbackException or IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>A name as it may be shown: short, on one line.</summary>
    public static string Quote(string text) => $"'{Clean(text.Length > 120 ? text[..120] + "..." : text)}'";

    private static System.Text.Encoding Strict => new UTF8Encoding(false, throwOnInvalidBytes: true);

    private static StreamReader Open(string path) => new(path, Strict, detectEncodingFromByteOrderMarks: true);

    private static bool IsList(string path) =>
        Path.GetFileName(path).Equals("videos.txt", StringComparison.OrdinalIgnoreCase);

    private static string? Prompts(string path) =>
        ((string[])["prompt.txt", "prompts.txt", "captions.txt"])
            .Select(n => Path.Combine(Path.GetDirectoryName(path)!, n))
            .FirstOrDefault(File.Exists);

    // Control characters would break lines of reports and of prompts.
    private static string Clean(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();

    private static List<ManifestRow> Csv(string path)
    {
        string header;
        using (var peek = Open(path))
            header = Head(peek, path);
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
        using var csv = new CsvReader(Open(path), configuration);
        var rows = new List<ManifestRow>();
        try
        {
            if (!csv.Read() || !csv.ReadHeader())
                throw new UserException($"{path}: empty; its first line must name the columns, such as video,caption");
            string[] names = [.. csv.HeaderRecord!.Select(n => n.Trim().ToLowerInvariant())];
            Require(path, names);
            while (csv.Read())
            {
                long line = csv.Context.Parser!.RawRow;
                if (bad)
                    rows.Add(
                        Bad(
                            line,
                            "a quotation mark in the middle of a field; put quotes around the whole field "
                                + "and double those within"
                        )
                    );
                else if (csv.Parser.Count != names.Length)
                    rows.Add(Bad(line, $"{csv.Parser.Count} fields, the first line names {names.Length}"));
                else
                {
                    string Field(string column) =>
                        Array.IndexOf(names, column) is >= 0 and var at ? csv.Parser[at] ?? "" : "";
                    rows.Add(Row(line, Field, []));
                }
                bad = false;
            }
        }
        catch (CsvHelperException e)
        {
            throw new UserException(
                $"{path}: line {csv.Context.Parser?.RawRow ?? 0}: "
                    + $"{(e is MaxFieldSizeException ? $"a field of more than {LongestField >> 20} MB; is a quotation mark left open?" : e.Message.Split('\n')[0])}",
                inner: e
            );
        }
        return rows;
    }

    private static string Head(StreamReader reader, string path)
    {
        var text = new StringBuilder();
        for (var n = 0; n < 1 << 16 && reader.Read() is >= 0 and var c && c != '\n'; n++)
        {
            if (c == 0)
                throw new UserException($"{path}: not a text file (it holds zero bytes)");
            text.Append((char)c);
        }
        return text.ToString();
    }

    private static List<ManifestRow> Json(string path)
    {
        if (new FileInfo(path).Length > LargestJson)
            throw new UserException(
                $"{path}: {new FileInfo(path).Length >> 20} MB; at most {LargestJson >> 20} MB of JSON are "
                    + $"read at once, use .jsonl (one object a line)"
            );
        string text;
        using (var reader = Open(path))
            text = reader.ReadToEnd();
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
        catch (JsonException e)
        {
            throw new UserException($"{path}: not JSON: {e.Message}", inner: e);
        }
    }

    private static List<ManifestRow> Lines(string path)
    {
        var rows = new List<ManifestRow>();
        using var reader = Open(path);
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
            using var reader = Open(file);
            List<string> lines = [.. reader.ReadToEnd().Split('\n').Select(l => l.TrimEnd('\r'))];
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

    // Not one row that names a video: the columns are wrong, and that is said once, not a thousand times.
    private static List<ManifestRow> Some(string path, List<ManifestRow> rows)
    {
        if (rows.Count == 0)
            throw new UserException($"{path}: empty; it names no video");
        if (rows.All(r => r.Problem == NoVideo))
            throw new UserException(
                $"{path}: no member names the videos; one of {string.Join(", ", Paths.Concat(Ids).Distinct())} is needed"
            );
        return rows;
    }

    private const string NoVideo = "no member names the video";

    private static void Require(string path, string[] names)
    {
        if (names.Any(n => Paths.Contains(n) || Ids.Contains(n)))
            return;
        var near = names.Select(n => (n, Suggest.Nearest(n, Paths))).FirstOrDefault(p => p.Item2 is not null);
        throw new UserException(
            $"{path}: no column names the videos. Columns are "
                + $"{string.Join(", ", names.Take(12).Select(n => Quote(n)))}{(names.Length > 12 ? " ..." : "")}; "
                + $"one of {string.Join(", ", Paths.Concat(Ids).Distinct())} is "
                + $"needed{(near.Item2 is null ? "" : $" (is '{near.n}' meant as '{near.Item2}'?)")}"
        );
    }

    private static ManifestRow Row(long line, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            return Bad(line, $"an object is expected, not {element.ValueKind.ToString().ToLowerInvariant()}");
        var windows =
            element.TryGetProperty("windows", out var list) && list.ValueKind == JsonValueKind.Array
                ? list.EnumerateArray().Select(Text).Select(Clean)
                : [];
        return Row(line, Member(element), [.. windows]);
    }

    private static Func<string, string> Member(JsonElement element)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.OrdinalIgnoreCase);
        foreach (var member in element.EnumerateObject())
            members[member.Name] = member.Value;
        return column => members.TryGetValue(column, out var value) ? Text(value) : "";
    }

    private static string First(Func<string, string> field, string[] columns) =>
        columns.Select(field).FirstOrDefault(v => v.Length > 0) ?? "";

    // FastVideo keeps captions in a list; an id may be a number.
    private static string Text(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Number => value.GetRawText(),
            JsonValueKind.Array => value.EnumerateArray().Select(Text).FirstOrDefault(t => t.Length > 0) ?? "",
            _ => "",
        };

    private static ManifestRow Row(long line, Func<string, string> field, IReadOnlyList<string> windows)
    {
        var (path, caption) = (First(field, Paths), Clean(First(field, Captions)));
        List<string> ids = [.. Ids.Select(field).Where(v => v.Length > 0).Distinct()];
        if (ids.Count > 0 && path.Length > 0)
            ids.Insert(0, path);
        if (path.Length == 0 && ids.Count == 0)
            return Bad(line, NoVideo);
        return Checked(new(line, path, ids, caption, windows));
    }

    private static ManifestRow Checked(ManifestRow row)
    {
        if (row.Path.Contains('\0'))
            return Bad(row.Line, "a path with a zero byte in it");
        if (row.Path.Length > 4096)
            return Bad(row.Line, $"a path of {row.Path.Length} characters; at most 4096");
        return row.Caption.Length > LongestField
            ? Bad(row.Line, $"a caption of {row.Caption.Length / 1e6:0.#} MB; at most {LongestField >> 20} MB")
            : row;
    }

    private static ManifestRow Bad(long line, string problem) => new(line, "", [], "", [], problem);
}
