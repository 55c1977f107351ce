using System.Text.Json;

namespace LongTake.Video;

/// <summary>Asks ffprobe what a file holds.</summary>
public static class Probe
{
    static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(60);

    /// <summary>Facts of a video file; each of two ffprobe runs is ended at the limit (one minute when null).</summary>
    /// <exception cref="UserException">The file is no usable video; the message names it and says why.</exception>
    public static VideoInfo Read(string path, TimeSpan? limit = null, CancellationToken token = default)
    {
        var probed = Try(path, limit, token);
        return probed.Info ?? throw new UserException($"{path}: {probed.Reason}");
    }

    /// <summary>As <see cref="Read"/>, but a file that is no usable video is an answer, not an exception.</summary>
    public static Probed Try(string path, TimeSpan? limit = null, CancellationToken token = default)
    {
        if (Directory.Exists(path))
            return Bad(ProbeFault.Unreadable, "a folder, not a file");
        if (!File.Exists(path))
            return Bad(ProbeFault.Missing, "no such file");
        if (new FileInfo(path) is { Length: 0, LinkTarget: null })
            return Bad(ProbeFault.Empty, "the file is empty");
        using var child = new MediaProcess(
            "ffprobe",
            [.. Ffmpeg.Input, "-show_streams", "-show_format", "-of", "json", Ffmpeg.Url(path)],
            limit ?? DefaultLimit,
            token: token
        );
        var json = child.Text();
        if (child.TimedOut)
            return Bad(ProbeFault.TimedOut, $"not understood within {(limit ?? DefaultLimit).TotalSeconds:0.#} s");
        if (child.Wait() != 0)
            return Bad(ProbeFault.Unreadable, "not a video that ffmpeg can open: " + Said(child, path));
        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        var container = Text(root.GetProperty("format"), "format_name");
        if (container.EndsWith("_pipe", StringComparison.Ordinal) || container is "image2" or "tty")
            return Bad(ProbeFault.NotVideo, $"a picture or a text, not a video (ffprobe: {container})");
        var streams = root.GetProperty("streams").EnumerateArray().ToArray();
        var videos = streams.Where(s => Text(s, "codec_type") == "video" && !Cover(s)).ToArray();
        if (videos.Length == 0)
            return Bad(ProbeFault.NoVideoStream, "no video stream in it (sound only?)");
        var sounds = streams.Count(s => Text(s, "codec_type") == "audio");
        var stamps = Stamps(path, limit ?? DefaultLimit, token, out var late, out var packets);
        if (late)
            return Bad(
                ProbeFault.TimedOut,
                $"its packets were not listed within {(limit ?? DefaultLimit).TotalSeconds:0.#} s"
            );
        if (stamps.Count == 0)
            return Bad(ProbeFault.NoFrames, "a video stream without a frame");
        var info = Describe(path, videos[0], videos.Length, sounds, stamps);
        if (info.Width <= 0 || info.Height <= 0)
            return Bad(ProbeFault.Unreadable, "a video stream whose picture has no size");
        return new(info with { BadStamps = packets - stamps.Distinct().Count() }, ProbeFault.None, "");
    }

    /// <summary>Frames of a video, or 0 where it cannot be read: half of the work of <see cref="Try"/>.</summary>
    internal static int Frames(string path, TimeSpan limit, CancellationToken token) =>
        Stamps(path, limit, token, out var late, out _) is var stamps && late ? 0 : stamps.Count;

    /// <summary>
    /// Texts kept in the file (title, prompt, seed ...), without what every container says of itself.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Tags(
        string path,
        TimeSpan? limit = null,
        CancellationToken token = default
    )
    {
        using var child = new MediaProcess(
            "ffprobe",
            [.. Ffmpeg.Input, "-show_entries", "format_tags", "-of", "json", Ffmpeg.Url(path)],
            limit ?? DefaultLimit,
            token: token
        );
        var json = child.Text();
        if (child.Wait() != 0)
            return new Dictionary<string, string>();
        using var document = JsonDocument.Parse(json);
        return
            document.RootElement.TryGetProperty("format", out var format) && format.TryGetProperty("tags", out var tags)
            ? tags.EnumerateObject()
                .Where(t => t.Name is not ("major_brand" or "minor_version" or "compatible_brands" or "encoder"))
                .DistinctBy(t => t.Name)
                .ToDictionary(t => t.Name, t => t.Value.ToString())
            : new Dictionary<string, string>();
    }

    static VideoInfo Describe(string path, JsonElement video, int videos, int sounds, List<long> stamps)
    {
        var tick =
            Text(video, "time_base").Split('/') is [var a, var b]
            && int.TryParse(a, out var over)
            && int.TryParse(b, out var under)
            && over > 0
            && under > 0
                ? new TimeBase(over, under)
                : new(1, 1000);
        double[] times = [.. stamps.Select(s => tick.Seconds(s - stamps[0]))];
        var (fps, variable) = Rate(video, times);
        var rotation = Rotation(video);
        var (width, height) = (video.GetProperty("width").GetInt32(), video.GetProperty("height").GetInt32());
        var aspect = Fraction(Text(video, "sample_aspect_ratio").Replace(':', '/')) is > 0 and var ratio ? ratio : 1;
        if (rotation % 180 != 0)
            (width, height, aspect) = (height, width, 1 / aspect);
        var pixels = Text(video, "pix_fmt");
        return new(
            path,
            times[^1] + 1 / fps,
            fps,
            variable,
            stamps.Count,
            width,
            height,
            aspect,
            rotation,
            Text(video, "codec_name"),
            pixels,
            videos,
            sounds
        )
        {
            TimeBase = tick,
            FirstStamp = stamps[0],
            Stream = video.GetProperty("index").GetInt32(),
            BitDepth =
                int.TryParse(Text(video, "bits_per_raw_sample"), out var bits) && bits > 0 ? bits : Depth(pixels),
            Colour = new(
                pixels.StartsWith("yuvj", StringComparison.Ordinal) ? "pc" : Stated(video, "color_range"),
                Stated(video, "color_space"),
                NeedsDolbyVision(video) ? VideoColour.DolbyVision : Stated(video, "color_transfer"),
                Stated(video, "color_primaries")
            ),
            Interlaced = Text(video, "field_order") is "tt" or "bb" or "tb" or "bt",
        };
    }

    // A declared rate counts when the stamps agree within 1 %: containers round stamps, so the measured mean is less
    // exact.
    static (double Fps, bool Variable) Rate(JsonElement video, double[] times)
    {
        double[] declared = [Fraction(Text(video, "avg_frame_rate")), Fraction(Text(video, "r_frame_rate"))];
        var span = times[^1];
        if (times.Length < 2 || span <= 0)
            return (declared.FirstOrDefault(f => f > 0, 25), false);
        var gaps = times.Zip(times.Skip(1), (a, b) => b - a).ToArray();
        var middle = gaps.Order().ElementAt(gaps.Length / 2);
        // Millisecond stamps move a gap by up to 1 ms each side; a dropped or doubled frame moves it by half a frame or
        // more.
        var odd = gaps.Count(g => Math.Abs(g - middle) > 0.25 * middle + 0.0021);
        // a pause says nothing of the rate
        double[] usual = [.. gaps.Where(g => g <= 10 * middle)];
        var measured = usual.Sum() is > 0 and var sum ? usual.Length / sum : (times.Length - 1) / span;
        var fps = declared.FirstOrDefault(f => f > 0 && Math.Abs(f - measured) <= 0.01 * measured, measured);
        return (fps, odd > 0.02 * gaps.Length);
    }

    // One stamp a packet of the first video stream, in order and in ticks: when it is shown, or when it is decoded
    // where some packets (as in MPEG program streams) do not say when they are shown. Packets marked D are only
    // decoded: an edit list starts after them or ends before them.
    static List<long> Stamps(string path, TimeSpan limit, CancellationToken token, out bool late, out int packets)
    {
        using var child = new MediaProcess(
            "ffprobe",
            [
                .. Ffmpeg.Input,
                "-select_streams",
                "V:0",
                "-show_entries",
                "packet=pts,dts,flags",
                "-of",
                "csv=p=0",
                Ffmpeg.Url(path),
            ],
            limit,
            token: token
        );
        List<long> shown = [],
            decoded = [];
        packets = 0;
        foreach (var line in child.Text().Split('\n'))
        {
            // transport streams add empty lines
            if (line.Split(',') is not [var pts, var dts, var flags, ..] || flags.Contains('D'))
                continue;
            packets++;
            if (long.TryParse(pts, out var show))
                shown.Add(show);
            if (long.TryParse(dts, out var decode))
                decoded.Add(decode);
        }
        late = child.TimedOut;
        var stamps = shown.Count >= decoded.Count ? shown : decoded;
        stamps.Sort();
        return stamps;
    }

    // "yuv420p10le" has 10 bits, "gray16be" 16, "yuv420p" 8.
    static int Depth(string pixels)
    {
        var name =
            pixels.EndsWith("le", StringComparison.Ordinal) || pixels.EndsWith("be", StringComparison.Ordinal)
                ? pixels[..^2]
                : "";
        var digits = name[name.TrimEnd("0123456789".ToCharArray()).Length..];
        return int.TryParse(digits, out var bits) && bits is > 8 and <= 16 ? bits : 8;
    }

    static int Rotation(JsonElement video) =>
        SideData(video, "rotation") is { } degrees ? (int)Math.Round(degrees.GetDouble()) : 0;

    // 0 is compatible with nothing else
    static bool NeedsDolbyVision(JsonElement video) =>
        SideData(video, "dv_bl_signal_compatibility_id") is { } other && other.GetInt32() == 0;

    static JsonElement? SideData(JsonElement video, string name)
    {
        if (video.TryGetProperty("side_data_list", out var list))
            foreach (var data in list.EnumerateArray())
                if (data.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number)
                    return value;
        return null;
    }

    static bool Cover(JsonElement stream) =>
        stream.TryGetProperty("disposition", out var d)
        && d.TryGetProperty("attached_pic", out var p)
        && p.GetInt32() == 1;

    // "30000/1001" -> 29.97; 0 when not stated.
    static double Fraction(string text) =>
        text.Split('/') is [var a, var b] && double.TryParse(a, out var x) && double.TryParse(b, out var y) && y > 0
            ? x / y
            : 0;

    // "unknown", "reserved" and the like state nothing.
    static string Stated(JsonElement video, string name) =>
        Text(video, name) is not ("unknown" or "unspecified" or "reserved") and var value ? value : "";

    static string Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : "";

    static Probed Bad(ProbeFault fault, string reason) => new(null, fault, reason);

    // ffprobe puts "[mov,mp4 @ 0x55d0]" or the file's name before what it has to say.
    internal static string Said(MediaProcess child, string path)
    {
        var line = child.FirstError.Replace(Ffmpeg.Url(path) + ": ", "");
        var end = line.StartsWith('[') ? line.IndexOf("] ", StringComparison.Ordinal) : -1;
        return end >= 0 ? line[(end + 2)..] : line;
    }
}
