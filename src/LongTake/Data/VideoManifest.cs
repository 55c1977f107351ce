using System.Text.Json;

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
internal static partial class VideoManifest
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>
    /// The caption in a file beside a video: a text, or JSON with one of the caption columns; "" when it holds none.
    /// </summary>
    /// <exception cref="UserException">It cannot be read as what its name says.</exception>
    public static string Side(string path)
    {
        try
        {
            using var reader = TextFile.Open(path);
            if (reader.BaseStream.Length > LongestField)
                throw new UserException(
                    $"{path}: {reader.BaseStream.Length / 1e6:0.#} MB; a caption has at most {LongestField >> 20} MB"
                );
            var text = reader.ReadToEnd();
            if (!path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                return Clean(text);
            using var document = JsonDocument.Parse(text);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                return "";
            var (caption, problem) = Caption(Members(document.RootElement));
            return problem.Length == 0 ? Clean(caption) : throw new UserException($"{path}: {problem}");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new UserException($"{path}: not JSON: {Line(e)}", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read: {e.Message}", inner: e);
        }
    }

    /// <summary>A name as it may be shown: short, on one line.</summary>
    public static string Quote(string text) => $"'{Clean(text.Length > 120 ? text[..120] + "..." : text)}'";

    private static bool IsList(string path) =>
        Path.GetFileName(path).Equals("videos.txt", StringComparison.OrdinalIgnoreCase);

    private static string? Prompts(string path) =>
        ((string[])["prompt.txt", "prompts.txt", "captions.txt"])
            .Select(n => Path.Combine(Path.GetDirectoryName(path)!, n))
            .FirstOrDefault(File.Exists);

    // Control characters would break lines of reports and of prompts.
    private static string Clean(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c)).Trim();

    // Not one row that names a video: the columns are wrong, and that is said once, not a thousand times.
    private static List<ManifestRow> Some(string path, List<ManifestRow> rows)
    {
        if (rows.Count == 0)
            throw new UserException($"{path}: empty; it names no video");
        if (rows.All(r => r.Problem == NoVideo))
            throw new UserException(
                $"{path}: no member names the videos; one of {string.Join(", ", Paths.Concat(Ids).Distinct())} is "
                    + "needed"
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
            return Bad(line, $"an object is expected, not {Kind(element)}");
        try
        {
            var members = Members(element);
            var (caption, problem) = Caption(members);
            List<string> windows = [];
            if (members.TryGetValue("windows", out var list) && list.ValueKind != JsonValueKind.Null)
                if (list.ValueKind == JsonValueKind.Array && list.EnumerateArray().All(w => Text(w) is not null))
                    windows = [.. list.EnumerateArray().Select(w => Clean(Text(w)!))];
                else
                    problem = $"windows: a list of texts is expected, not {list.GetRawText()}";
            if (
                Paths.FirstOrDefault(p => members.TryGetValue(p, out var v) && Name(v).Length == 0 && Given(v)) is
                { } path
            )
                problem = $"{path}: a text is expected, not {members[path].GetRawText()}";
            return problem.Length > 0
                ? Bad(line, Quote(problem)[1..^1])
                : Row(line, c => members.TryGetValue(c, out var v) ? Name(v) : "", caption, windows);
        }
        // half of a surrogate pair
        catch (InvalidOperationException e)
        {
            return Bad(line, $"not JSON: {Line(e)}");
        }
    }

    // An id may be a number.
    private static string Name(JsonElement value) => value.ValueKind is JsonValueKind.Array ? "" : Text(value) ?? "";

    private static bool Given(JsonElement value) => value.ValueKind is not (JsonValueKind.Null or JsonValueKind.String);

    private static string Line(Exception e) => e.Message.ReplaceLineEndings(" ");

    private static string Kind(JsonElement element) => element.ValueKind.ToString().ToLowerInvariant();

    // Members by name, in any case; of two with one name neither counts.
    private static Dictionary<string, JsonElement> Members(JsonElement element)
    {
        var members = new Dictionary<string, JsonElement>(StringComparer.OrdinalIgnoreCase);
        foreach (var member in element.EnumerateObject())
            if (!members.TryAdd(member.Name, member.Value))
                throw new InvalidOperationException($"the member {Quote(member.Name)} is there twice");
        return members;
    }

    // The first caption column that holds one.
    private static (string Caption, string Problem) Caption(Dictionary<string, JsonElement> members)
    {
        foreach (var column in Captions)
            if (members.TryGetValue(column, out var value) && value.ValueKind != JsonValueKind.Null)
                if (Text(value) is not { } text)
                    return ("", $"{column}: a text is expected, not {value.GetRawText()}");
                else if (text.Length > 0)
                    return (text, "");
        return ("", Misspelt(members.Keys));
    }

    // Without this a misspelt column would leave all videos to their names.
    private static string Misspelt(IEnumerable<string> columns) =>
        columns.Any(c => Captions.Contains(c, StringComparer.OrdinalIgnoreCase)) ? ""
        : columns.FirstOrDefault(c => Suggest.Nearest(c, ["caption", "prompt"]) is not null) is { } near
            ? $"is the column {Quote(near)} meant as '{Suggest.Nearest(near, ["caption", "prompt"])}'?"
        : "";

    private static string First(Func<string, string> field, string[] columns) =>
        columns.Select(field).FirstOrDefault(v => v.Length > 0) ?? "";

    // FastVideo keeps captions in a list, of which the first counts. Null for what is no text.
    private static string? Text(JsonElement value) =>
        value.ValueKind switch
        {
            JsonValueKind.String => value.GetString()!,
            JsonValueKind.Number => value.GetRawText(),
            JsonValueKind.Array when value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.String) => value
                .EnumerateArray()
                .Select(v => v.GetString()!)
                .FirstOrDefault(t => t.Length > 0)
                ?? "",
            _ => null,
        };

    private static ManifestRow Row(long line, Func<string, string> field, string caption, IReadOnlyList<string> windows)
    {
        var path = First(field, Paths);
        List<string> ids = [.. Ids.Select(field).Where(v => v.Length > 0).Distinct()];
        if (ids.Count > 0 && path.Length > 0)
            ids.Insert(0, path);
        if (path.Length == 0 && ids.Count == 0)
            return Bad(line, NoVideo);
        return Checked(new(line, path, ids, Clean(caption), windows));
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
