using System.Text.Json.Serialization;

namespace LongTake.Data;

/// <summary>What becomes of takes that are longer than the longest.</summary>
public enum LongTakes
{
    /// <summary>One frame in two, in three, ... is taken until the take fits, as the paper does.</summary>
    Subsample,

    /// <summary>Cut into several of equal length, at full rate.</summary>
    Cut,
}

/// <summary>What becomes of footage with light or colours beyond BT.709: PQ, HLG, BT.2020, P3.</summary>
public enum HdrFootage
{
    /// <summary>Tone-mapped and brought into the colours of BT.709.</summary>
    ToneMap,

    /// <summary>Dropped.</summary>
    Refuse,
}

/// <summary>
/// What a video must be to be trained on. Every decision is recorded with the value that was measured.
/// </summary>
public sealed record FilterRules
{
    /// <summary>Shortest take, seconds.</summary>
    public double MinSeconds { get; init; } = 10;

    /// <summary>Single shots too short for a take but this long are kept as clips; 0 keeps none.</summary>
    public double ClipSeconds { get; init; } = 5;

    /// <summary>Black bars, letters and pillars, are cropped away; false drops videos that have them.</summary>
    public bool CropBars { get; init; } = true;

    /// <summary>HDR and wide colours: brought to BT.709, or dropped.</summary>
    public HdrFootage Hdr { get; init; }

    /// <summary>Lines of complaint that the decoder may have about a video.</summary>
    public int MaxComplaints { get; init; }

    /// <summary>
    /// Least size of the picture (without bars) beside that of its bucket; below 1 small pictures are enlarged.
    /// </summary>
    public double MinScale { get; init; } = 1;

    /// <summary>
    /// Frozen stretches of this many seconds and more are cut out; each side that is left is filtered by itself.
    /// </summary>
    public double FrozenSeconds { get; init; } = 3;

    /// <summary>Stretches of one plain tone (black, white) of this many seconds and more are cut out.</summary>
    public double BlackSeconds { get; init; } = 0.5;

    /// <summary>Mean change within half a second, grey levels of 255: below this nothing moves.</summary>
    public double MinMotion { get; init; } = 0.3;

    /// <summary>Share of the time in which the camera must move; 0 keeps cameras that stand still.</summary>
    public double MinCameraMotion { get; init; }

    /// <summary>Greatest share of the time that shows again what was shown before.</summary>
    public double MaxLooped { get; init; } = 0.25;

    /// <summary>
    /// Greatest share of the picture under edges that never move while the rest does: logos, clocks, frames. Asked
    /// where the camera moves.
    /// </summary>
    public double MaxOverlay { get; init; } = 0.02;

    /// <summary>Greatest share of the moving time with subtitles; asked where the camera moves.</summary>
    public double MaxSubtitles { get; init; } = 0.3;

    /// <summary>Greatest mean share of pixels burnt out to white, and drowned in black.</summary>
    public double MaxOver { get; init; } = 0.3;
    public double MaxUnder { get; init; } = 0.7;

    /// <summary>
    /// Two takes whose pictures, half second by half second, differ in at most this many of 64 bits of their hash are
    /// the same; -1 lets all pass.
    /// </summary>
    public int DuplicateBits { get; init; } = 6;

    /// <summary>... over at least this share of the shorter one.</summary>
    public double DuplicateShare { get; init; } = 0.8;
}

/// <summary>Rate, length and size that videos are brought to.</summary>
public sealed record GeometryRules
{
    /// <summary>Frames a second; 0 is the model's.</summary>
    public double Fps { get; init; }

    /// <summary>
    /// Sizes, "832x480": each video goes to the one whose shape is nearest its own. Empty is the model's.
    /// </summary>
    public IReadOnlyList<string> Buckets { get; init; } = [];

    /// <summary>Longest take, seconds; 0 is the model's longest video, 61 at most.</summary>
    public double MaxSeconds { get; init; }
    public LongTakes LongTakes { get; init; }
}

/// <summary>
/// An endpoint with the chat protocol of OpenAI that sees pictures; never needed, never called unless its address
/// is given.
/// </summary>
public sealed record CaptionEndpoint
{
    /// <summary>Address, for example "http://localhost:8000/v1"; empty asks nobody.</summary>
    public string Url { get; init; } = "";
    public string Model { get; init; } = "";

    /// <summary>
    /// Environment variable that holds the key, sent as a bearer token when set. The key itself is never written
    /// anywhere.
    /// </summary>
    public string KeyVariable { get; init; } = "OPENAI_API_KEY";
    public string Prompt { get; init; } =
        "These frames are one shot of a video, in order. Describe in one paragraph who and what is seen, what "
        + "happens, the place, the light and how the camera moves. Say only what is visible.";

    /// <summary>Pictures per question, and their longer side in pixels.</summary>
    public int Frames { get; init; } = 8;
    public int Pixels { get; init; } = 512;
    public int MaxTokens { get; init; } = 300;

    /// <summary>Questions at the same time.</summary>
    public int Concurrency { get; init; } = 4;

    /// <summary>Tries beyond the first, with pauses that double, when the endpoint is busy or fails.</summary>
    public int Retries { get; init; } = 4;
    public double PatienceSeconds { get; init; } = 120;

    /// <summary>Also ask about videos that have a caption already.</summary>
    public bool Replace { get; init; }

    /// <summary>Seconds of a window with a caption of its own; 0 asks for none.</summary>
    public double WindowSeconds { get; init; }

    /// <summary>Price of a million tokens, for the cost that is shown.</summary>
    public double PriceIn { get; init; }
    public double PriceOut { get; init; }
}

/// <summary>Where captions come from.</summary>
public sealed record CaptionRules
{
    /// <summary>A video without any caption gets the words of its file name.</summary>
    public bool FromName { get; init; } = true;
    public CaptionEndpoint Endpoint { get; init; } = new();
}

/// <summary>How footage becomes a training set. The resolved recipe lies in the set and can be given again.</summary>
public sealed record DataRecipe
{
    /// <summary>What it is for, in a sentence.</summary>
    public string About { get; init; } = "";

    /// <summary>Folders, globs, manifests, WebDataset tars, videos; those of the command line go over them.</summary>
    public IReadOnlyList<string> Sources { get; init; } = [];

    /// <summary>
    /// Model folder whose rate, size and autoencoder count; empty takes the sizes of the bundled miniature.
    /// </summary>
    public string Model { get; init; } = "";
    public FilterRules Filter { get; init; } = new();
    public GeometryRules Geometry { get; init; } = new();
    public CaptionRules Captions { get; init; } = new();

    /// <summary>
    /// Share of the videos with takes (with clips where there are no takes) that is held out for validation; at least
    /// one of two.
    /// </summary>
    public double HeldOut { get; init; } = 0.125;

    /// <summary>Seconds that a file may take to be opened, and any one frame of it.</summary>
    public double PatienceSeconds { get; init; } = 60;

    /// <summary>Stretches shown with pictures in report.html; beyond it the table goes on without.</summary>
    public int ReportStrips { get; init; } = 2000;

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        var (f, g, e) = (Filter, Geometry, Captions.Endpoint);
        foreach (
            var (name, value) in (IEnumerable<(string, double)>)
                [
                    ("filter.clipSeconds", f.ClipSeconds),
                    ("filter.maxComplaints", f.MaxComplaints),
                    ("filter.minMotion", f.MinMotion),
                    ("reportStrips", ReportStrips),
                    ("captions.endpoint.windowSeconds", e.WindowSeconds),
                    ("captions.endpoint.priceIn", e.PriceIn),
                    ("captions.endpoint.priceOut", e.PriceOut),
                ]
        )
            if (!(value >= 0 && double.IsFinite(value)))
                yield return $"{name} {value:0.###}: 0 or more";
        if (
            !double.IsFinite(f.MinSeconds + f.MinScale + f.FrozenSeconds + f.BlackSeconds)
            || !double.IsFinite(g.MaxSeconds + g.Fps + PatienceSeconds + e.PatienceSeconds)
            || PatienceSeconds > 86_400
            || e.PatienceSeconds > 86_400
        )
            yield return "filter, geometry, patienceSeconds: finite numbers, and a patience of at most a day";
        if (f.MinSeconds <= 0)
            yield return $"filter.minSeconds {f.MinSeconds:0.###}: more than 0";
        if (g.MaxSeconds < 0 || (g.MaxSeconds > 0 && g.MaxSeconds < f.MinSeconds))
            yield return $"geometry.maxSeconds {g.MaxSeconds:0.###}: 0, or at least filter.minSeconds "
                + $"({f.MinSeconds:0.###})";
        if (g.Fps is < 0 or > 1000)
            yield return $"geometry.fps {g.Fps:0.###}: 0 (the model's) to 1000";
        foreach (var bucket in g.Buckets)
            if (Data.Geometry.Size(bucket) is null)
                yield return $"geometry.buckets '{bucket}': WIDTHxHEIGHT, for example 832x480";
        foreach (
            var (name, share) in (IEnumerable<(string, double)>)
                [
                    ("filter.maxOverlay", f.MaxOverlay),
                    ("filter.maxSubtitles", f.MaxSubtitles),
                    ("filter.maxOver", f.MaxOver),
                    ("filter.maxUnder", f.MaxUnder),
                    ("filter.maxLooped", f.MaxLooped),
                    ("filter.minCameraMotion", f.MinCameraMotion),
                    ("filter.duplicateShare", f.DuplicateShare),
                    ("heldOut", HeldOut),
                ]
        )
            if (share is < 0 or > 1 or double.NaN)
                yield return $"{name} {share:0.###}: a share, 0 to 1";
        if (f.DuplicateBits is < -1 or > 64)
            yield return $"filter.duplicateBits {f.DuplicateBits}: -1 to 64";
        if (f.MinScale <= 0)
            yield return $"filter.minScale {f.MinScale:0.###}: more than 0";
        if (f.FrozenSeconds <= 0 || f.BlackSeconds <= 0)
            yield return "filter.frozenSeconds, filter.blackSeconds: more than 0";
        if (PatienceSeconds <= 0)
            yield return $"patienceSeconds {PatienceSeconds:0.###}: more than 0";
        if (
            e.Url.Length > 0
            && (!Uri.TryCreate(e.Url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https"))
        )
            yield return $"captions.endpoint.url '{e.Url}': an http or https address, for example "
                + $"http://localhost:8000/v1";
        if (e.Url.Length > 0 && e.Model.Length == 0)
            yield return "captions.endpoint.model: name the endpoint's model";
        if (
            e.Frames is < 1 or > 64
            || e.Concurrency is < 1 or > 256
            || e.Retries is < 0 or > 20
            || e.Pixels is < 32 or > 4096
            || e.MaxTokens < 1
            || e.PatienceSeconds <= 0
        )
            yield return "captions.endpoint: frames 1 to 64, pixels 32 to 4096, concurrency 1 to 256, retries 0 "
                + "to 20, maxTokens and patienceSeconds more than 0";
    }
}

[JsonSerializable(typeof(DataRecipe))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class DataRecipeJson : JsonSerializerContext;
