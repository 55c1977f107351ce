using System.Text;
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
