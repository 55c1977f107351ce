using System.IO.Enumeration;
using LongTake.Media;

namespace LongTake.Data;

/// <summary>What a video must be to be trained on, and the rate and size at which it is.</summary>
public sealed record IngestSettings
{
    /// <summary>Frames a second of the model.</summary>
    public double Fps { get; init; } = 8;

    public int Width { get; init; } = 32;
    public int Height { get; init; } = 32;

    /// <summary>Shortest take, in seconds.</summary>
    public double MinSeconds { get; init; } = 10;

    /// <summary>A longer take is thinned out in time, every second frame or every third ..., until it fits.</summary>
    public double MaxSeconds { get; init; } = 61;

    /// <summary>Single shots that are too short for a take but last this long are kept as clips.</summary>
    public double ClipSeconds { get; init; } = 5;

    public bool KeepClips { get; init; } = true;

    /// <summary>Longer files are not looked at: their thumbnails would fill the memory, and thinned out they would be a slide show.</summary>
    public double LongestSeconds { get; init; } = 1800;

    /// <summary>Seconds that ffprobe may take for a file, and ffmpeg for a frame.</summary>
    public double PatienceSeconds { get; init; } = 60;
}

/// <summary>One file's verdict: every file given gets one.</summary>
/// <param name="Rule">The rule that decided: "kept", or what was not met: "exists", "video", "undamaged", "size", "length",
/// "single-shot", "moving".</param>
/// <param name="Reason">A sentence about it, with the numbers.</param>
/// <param name="Role">"take", "clip", or "" when dropped.</param>
/// <param name="Seconds">Length of the file as decoded; 0 when that was not reached.</param>
/// <param name="SampleFps">Frames taken per second of the file: the model's rate, less when the take was thinned out.</param>
/// <param name="Frames">Frames there will be: 4k + 1; 0 when dropped.</param>
/// <param name="Value">What the rule measured: seconds, pixels across, changes of shot, grey levels, complaints; null when nothing was.</param>
public sealed record IngestItem(
    string Path, bool Kept, string Rule, string Reason, string Role = "", VideoInfo? Info = null, double Seconds = 0,
    double SampleFps = 0, int Frames = 0, string Caption = "", double? Value = null);

/// <summary>Sorts video files into takes, clips and those that cannot be used, and says why of each.</summary>
public static class Ingest
{
    // Grey levels: below these nothing moves, and nothing is seen.
    const double Still = 1.0, Dark = 12, Plain = 4;

    static readonly string[] SideFiles = [".txt", ".json", ".jsonl", ".csv", ".md", ".srt", ".vtt", ".png", ".jpg", ".jpeg", ".webp"];

    /// <summary>
    /// Looks at each file, and at each file in each folder and the folders within it, in the order of their names. Progress
    /// reports every verdict with the share of files done. A verdict that <paramref name="known"/> has is not reached again.
    /// </summary>
    /// <exception cref="UserException">The settings contradict themselves, or ffmpeg is missing.</exception>
    public static IReadOnlyList<IngestItem> Scan(
        IEnumerable<string> paths, IngestSettings settings, Action<IngestItem, double>? progress = null,
        Func<string, IngestItem?>? known = null, CancellationToken token = default)
    {
        Check(settings);
        Ffmpeg.Locate("ffmpeg");
        Ffmpeg.Locate("ffprobe");
        var files = paths.SelectMany(Expand).Distinct().ToArray();
        var items = new List<IngestItem>();
        foreach (var file in files)
        {
            token.ThrowIfCancellationRequested();
            items.Add(known?.Invoke(file) is { } before ? before with { Caption = before.Kept ? Caption(file) : "" } : Look(file, settings, token));
            progress?.Invoke(items[^1], (double)items.Count / files.Length);
        }
        return items;
    }

    /// <summary>Frames of a kept file, RGB bytes [Frames, Height, Width, 3].</summary>
    /// <exception cref="UserException">The file was dropped, or is no longer what it was when it was looked at.</exception>
    public static byte[] Frames(IngestItem item, IngestSettings settings, CancellationToken token = default)
    {
        if (!item.Kept) throw new UserException($"{item.Path}: was dropped ({item.Rule}): {item.Reason}");
        using var reader = Open(item.Path, item.SampleFps, settings, item.Frames, token);
        var all = new byte[(long)item.Frames * reader.FrameBytes];
        for (var i = 0; i < item.Frames; i++)
            if (!reader.Read(all.AsSpan(i * reader.FrameBytes, reader.FrameBytes)))
                throw new UserException($"{item.Path}: has {i} frames now and had {item.Frames}: has the file changed? Scan it again");
        return all;
    }

    static IngestItem Look(string path, IngestSettings settings, CancellationToken token)
    {
        if (SideFiles.Contains(Path.GetExtension(path).ToLowerInvariant()))
            return Drop("video", $"a {Path.GetExtension(path)} file, not a video");
        try
        {
            var patience = TimeSpan.FromSeconds(settings.PatienceSeconds);
            var probed = Probe.Try(path, patience, token);
            if (probed.Info is not { } info)
                return Drop(probed.Fault is ProbeFault.Missing ? "exists" : "video", probed.Reason);
            if (Measure(info, settings) is { } reason) return reason with { Path = path, Info = info };
            return Judge(VideoScan.Read(info, new() { Patience = patience }, token: token), settings, token);
        }
        catch (UserException e)
        {
            return Drop("undamaged", e.Message.StartsWith(path + ": ", StringComparison.Ordinal) ? e.Message[(path.Length + 2)..] : e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Drop("exists", e.Message);
        }

        IngestItem Drop(string rule, string why) => new(path, false, rule, why);
    }

    // What the probe alone can tell: the cheap questions first.
    static IngestItem? Measure(VideoInfo info, IngestSettings settings)
    {
        var least = settings.KeepClips ? Math.Min(settings.ClipSeconds, settings.MinSeconds) : settings.MinSeconds;
        if (info.Width * info.SampleAspect < settings.Width || info.Height < settings.Height)
            return new("", false, "size", $"{info.Width}x{info.Height} pixels; at least {settings.Width}x{settings.Height} are needed", Value: info.Width);
        if (info.Seconds < least - 0.5 / info.Fps)
            return new("", false, "length", $"{info.Seconds:0.##} s; at least {least:0.##} s are needed", Value: info.Seconds);
        if (info.Seconds > settings.LongestSeconds)
            return new("", false, "length", $"{info.Seconds:0} s; more than {settings.LongestSeconds:0} s: cut it into takes first", Value: info.Seconds);
        return null;
    }

    static IngestItem Judge(VideoScan film, IngestSettings settings, CancellationToken token)
    {
        var (info, seconds, shots) = (film.Info, film.Seconds, film.Transitions);
        IngestItem Drop(string rule, string reason, double value) => new(info.Path, false, rule, reason, Info: info, Seconds: seconds, Value: value);
        if (film.Complaints > 0)
            return Drop("undamaged", $"damaged: {film.Frames} of {info.Frames} frames decoded, with {film.Complaints} complaints, such as: {film.Complaint}", film.Complaints);
        if (Lifeless(film) is var (dead, level)) return Drop("moving", dead, level);
        if (shots.Count > 0)
            return Drop("single-shot", $"{shots.Count} changes of shot: " + string.Join(", ", shots.Take(6).Select(t =>
                $"{t.Kind.ToString().ToLowerInvariant()} at {t.Start:0.0} s")) + (shots.Count > 6 ? " ..." : ""), shots.Count);
        var stride = Math.Max(1, (int)Math.Ceiling(seconds / settings.MaxSeconds - 1e-6));
        var fps = settings.Fps / stride;
        var frames = CountFrames(info.Path, fps, settings, token) is var n && n > 0 ? (n - 1) / 4 * 4 + 1 : 0;
        if (frames < 5) return Drop("length", $"{frames} frames at {fps:0.##} frames a second; at least 5 are needed", frames);
        var role = seconds >= settings.MinSeconds - 0.5 / info.Fps ? "take" : "clip";
        var thinned = stride > 1 ? $"; longer than {settings.MaxSeconds:0.##} s, so one frame in {stride} is taken" : "";
        return new(info.Path, true, "kept", $"one shot of {seconds:0.0} s: a {role} of {frames} frames{thinned}", role, info, seconds, fps,
            frames, Caption(info.Path), seconds);
    }

    // Why nothing can be learnt of its motion, or null.
    static (string Reason, double Level)? Lifeless(VideoScan film)
    {
        if (film.Shots.Count == 0) return null;
        var (contrast, bright, moved) = (film.Shots.Max(s => s.MostContrast), film.Shots.Max(s => s.Brightest), film.Shots.Max(s => s.MostChange));
        if (contrast < Plain) return ($"plain throughout: {(bright < Dark ? "black" : "one colour")}, contrast at most {contrast:0.0} of 255", contrast);
        return film.Transitions.Count == 0 && moved < Still ? ($"frozen: no frame differs from the first by more than {moved:0.00} of 255 on average", moved) : null;
    }

    static int CountFrames(string path, double fps, IngestSettings settings, CancellationToken token)
    {
        using var reader = Open(path, fps, settings, 0, token);
        var frame = new byte[reader.FrameBytes];
        while (reader.Read(frame)) { }
        return reader.Count;
    }

    static VideoReader Open(string path, double fps, IngestSettings settings, int frames, CancellationToken token) => new(path,
        new ReadOptions
        {
            Fps = fps, Width = settings.Width, Height = settings.Height, MaxFrames = frames,
            Patience = TimeSpan.FromSeconds(settings.PatienceSeconds),
        }, token);

    // The text beside the film, or what its name says.
    static string Caption(string path)
    {
        var beside = Path.ChangeExtension(path, ".txt");
        if (File.Exists(beside) && File.ReadAllText(beside).Trim() is { Length: > 0 } text) return text;
        return string.Join(' ', Path.GetFileNameWithoutExtension(path).Split(['_', '-', '.', ' '], StringSplitOptions.RemoveEmptyEntries));
    }

    // Linked folders are not entered: a link to a folder above would never end.
    static IEnumerable<string> Expand(string path) => !Directory.Exists(path)
        ? [path]
        : new FileSystemEnumerable<string>(path, (ref FileSystemEntry e) => e.ToSpecifiedFullPath(),
            new() { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = true })
        {
            ShouldIncludePredicate = (ref FileSystemEntry e) => !e.IsDirectory,
            ShouldRecursePredicate = (ref FileSystemEntry e) => !e.Attributes.HasFlag(FileAttributes.ReparsePoint),
        }.Order(StringComparer.Ordinal);

    static void Check(IngestSettings s)
    {
        if (s is not { Fps: > 0, Width: > 0, Height: > 0, PatienceSeconds: > 0 })
            throw new UserException($"ingest at {s.Width}x{s.Height}, {s.Fps} frames a second: each must be more than 0", usage: true);
        if (s.MinSeconds <= 0 || s.MaxSeconds < s.MinSeconds || s.ClipSeconds <= 0)
            throw new UserException(
                $"takes of {s.MinSeconds} to {s.MaxSeconds} s, clips from {s.ClipSeconds} s: lengths must be more than 0 and the longest take not below the shortest",
                usage: true);
    }
}
