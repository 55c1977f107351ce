using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>A rule, what it asks, and what it took.</summary>
public sealed record ReportRule(string Rule, string Asks, int Stretches, double Seconds);

/// <summary>
/// A stretch of video in the report. <paramref name="Sheet"/> is the number of its video's thumbnails, <paramref
/// name="Row"/> its row there.
/// </summary>
public sealed record ReportStretch(
    string Path,
    string Name,
    double Start,
    double End,
    string Role,
    string Rule,
    double? Value,
    double? Limit,
    string Reason,
    string Caption,
    string CaptionFrom,
    string Video,
    int Frames,
    double Fps,
    string Size,
    bool HeldOut,
    int Clips,
    int Sheet,
    int Row,
    string Picture,
    double SourceFps,
    double VideoSeconds,
    string Codec,
    string Colour,
    VideoColour? ColourStated,
    string Crop,
    double? Motion,
    double? CameraMotion,
    double? Brightness,
    double? Overlay
);

/// <summary>What is trained on: items and hours.</summary>
public sealed record ReportPart(string Role, bool HeldOut, int Items, double Seconds);

/// <summary>Everything an ingest found and decided.</summary>
public sealed record ReportData(
    string Set,
    string Hash,
    string Latents,
    int Videos,
    double Seconds,
    double Fps,
    DataRecipe Recipe,
    CaptionReport? Captions,
    IReadOnlyList<ReportPart> Parts,
    IReadOnlyList<ReportRule> Rules,
    IReadOnlyList<ReportStretch> Rows
);

[JsonSerializable(typeof(ReportData))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    NewLine = "\n",
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals
)]
internal sealed partial class ReportJson : JsonSerializerContext;

/// <summary>
/// report.json, and report.html, one file that shows the same with thumbnails in any browser, offline.
/// </summary>
public static class DataReport
{
    /// <summary>Writes both; pictures of as many stretches as the recipe says.</summary>
    public static string Write(
        string folder,
        DataRecipe recipe,
        IReadOnlyList<Decision> decisions,
        VideoSetInfo? set,
        string latents,
        CaptionReport? captions,
        Func<string, string> sheet
    )
    {
        var sheets = new Dictionary<string, int>();
        var rows = new List<ReportStretch>();
        var items = (set?.Items ?? []).GroupBy(i => i.Video).ToDictionary(g => g.Key, g => g.ToList());
        // Kept ones first, so that a report too large for all pictures has those.
        var shown = decisions
            .OrderByDescending(d => d.Kept)
            .Take(recipe.ReportStrips)
            .ToHashSet(ReferenceEqualityComparer.Instance);
        foreach (var d in decisions)
        {
            var number = -1;
            if (
                d.Shot >= 0
                && shown.Contains(d)
                && File.Exists(sheet(d.Path))
                && !sheets.TryGetValue(d.Path, out number)
            )
                sheets[d.Path] = number = sheets.Count;
            var own = d.Footage is { } f ? items.GetValueOrDefault(f.Id) ?? [] : [];
            rows.Add(
                new(
                    d.Path,
                    d.Name,
                    Math.Round(d.Start, 3),
                    Math.Round(d.End, 3),
                    d.Role,
                    d.Rule,
                    d.Value,
                    d.Limit,
                    d.Reason,
                    d.Caption,
                    d.CaptionFrom,
                    d.Footage?.Id ?? "",
                    d.Footage?.Frames ?? 0,
                    d.Footage?.Fps ?? 0,
                    d.Footage is { } v ? $"{v.Width}x{v.Height}" : "",
                    own.Count > 0 && own.All(i => i.Item.HeldOut),
                    own.Count(i => i.Item.Role == "clip"),
                    number,
                    d.Shot,
                    d.Info is { } info ? $"{info.Width}x{info.Height}" : "",
                    d.Info is { } r ? Math.Round(r.Fps, 3) : 0,
                    Math.Round(d.Info?.Seconds ?? 0, 3),
                    d.Info?.Codec ?? "",
                    d.Info is { } c ? c.Colour.Describe(c.Width, c.Height) : "",
                    d.Info?.Colour,
                    d.Footage?.Crop is { } crop ? $"{crop.Width}x{crop.Height}" : "",
                    Rounded(d.Measures?.Motion),
                    Rounded(d.Measures?.CameraMotion),
                    Rounded(d.Measures?.Brightness),
                    Rounded(d.Measures?.Overlay)
                )
            );
        }
        IReadOnlyList<ReportPart> parts =
        [
            .. (set?.Items ?? [])
                .GroupBy(i => (i.Item.Role, i.Item.HeldOut))
                .OrderByDescending(g => g.Key.Role)
                .ThenBy(g => g.Key.HeldOut)
                .Select(g => new ReportPart(
                    g.Key.Role,
                    g.Key.HeldOut,
                    g.Count(),
                    Math.Round(g.Sum(i => i.Frames / set!.Fps), 2)
                )),
        ];
        IReadOnlyList<ReportRule> rules =
        [
            .. Filter
                .Rules.Append(("kept", ""))
                .Select(r => new ReportRule(
                    r.Item1,
                    r.Item2,
                    decisions.Count(d => d.Rule == r.Item1),
                    Math.Round(decisions.Where(d => d.Rule == r.Item1).Sum(d => d.Seconds), 2)
                )),
        ];
        var data = new ReportData(
            Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))),
            set is null ? "" : VideoSet.Hash(folder),
            latents,
            decisions.Select(d => d.Path).Distinct().Count(),
            Math.Round(decisions.Sum(d => d.Seconds), 2),
            set?.Fps ?? 0,
            recipe,
            captions,
            parts,
            rules,
            rows
        );
        AtomicFile.Write(Path.Combine(folder, "report.json"), s =>
        {
            var json = new ReportJson(
                new(ReportJson.Default.Options)
                {
                    Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
                    WriteIndented = true,
                }
            );
            JsonSerializer.Serialize(s, data, json.ReportData);
        });
        var path = Path.Combine(folder, "report.html");
        AtomicFile.Write(path, s =>
        {
            using var text = new StreamWriter(s, new UTF8Encoding(false), leaveOpen: true);
            var page = Template().Split("/*DATA*/"); // JSON's default escapes leave no way out of a script element
            text.Write(page[0]);
            text.Write(
                $"const data = {JsonSerializer.Serialize(data, ReportJson.Default.ReportData)};\nconst sheets = ["
            );
            foreach (var video in sheets.OrderBy(f => f.Value).Select(f => f.Key))
                text.Write($"\"data:image/jpeg;base64,{Convert.ToBase64String(File.ReadAllBytes(sheet(video)))}\",\n");
            text.Write("];");
            text.Write(page[1]);
        });
        return path;
    }

    private static double? Rounded(double? value) => value is { } v ? Math.Round(v, 4) : null;

    private static string Template()
    {
        using var stream = typeof(DataReport).Assembly.GetManifestResourceStream("report.html")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
