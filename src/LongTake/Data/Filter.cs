using System.Security.Cryptography;
using System.Text;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>What became of a stretch of a video, or of a whole one.</summary>
/// <param name="Path">The video.</param>
/// <param name="Name">Its path within its source.</param>
/// <param name="Shot">Row of its thumbnails on the video's sheet; -1 when it has none.</param>
/// <param name="Start">Seconds from the video's first frame.</param>
/// <param name="End">The same; equal to the start where nothing was decoded.</param>
/// <param name="Role">"take", "clip", "" when dropped.</param>
/// <param name="Rule">The rule that decided: "kept", or what was not met.</param>
/// <param name="Value">What the rule measured, null where it measures nothing.</param>
/// <param name="Limit">What it was compared with.</param>
/// <param name="Reason">A sentence about it, with the numbers.</param>
/// <param name="Footage">How it is prepared, when kept.</param>
public sealed record Decision(
    string Path,
    string Name,
    int Shot,
    double Start,
    double End,
    string Role,
    string Rule,
    double? Value,
    double? Limit,
    string Reason,
    Footage? Footage,
    string Caption,
    string CaptionFrom,
    IReadOnlyList<string> Windows
)
{
    /// <summary>Facts of the video, and what the shot measures; null where it was not looked at.</summary>
    public VideoInfo? Info { get; init; }
    public ShotMeasures? Measures { get; init; }

    public bool Kept => Footage is not null;
    public double Seconds => End - Start;
}

/// <summary>
/// Judges what was measured: a pure function of records and rules, so that other rules cost seconds. Videos are cut into
/// single shots, shots at frozen and black stretches; what is long enough is asked one question after another.
/// </summary>
public static class Filter
{
    /// <summary>The rules in the order in which they are asked, and what each asks.</summary>
    public static readonly IReadOnlyList<(string Rule, string Asks)> Rules =
    [
        ("exists", "is the file on disk?"),
        ("outside", "does it lie within the sources?"),
        ("link", "is it no symbolic link?"),
        ("manifest", "can its line of the manifest be read?"),
        ("video", "is it a video?"),
        ("undamaged", "does it decode without complaint?"),
        ("length", "is the single shot long enough?"),
        ("picture", "does it show anything?"),
        ("moving", "does anything move?"),
        ("camera", "does the camera move?"),
        ("loop", "does it show each thing once?"),
        ("overlay", "is it free of captions and logos?"),
        ("exposure", "is it neither burnt out nor drowned?"),
        ("bars", "is it free of black bars?"),
        ("size", "is the picture large enough?"),
        ("duplicate", "is it not in the set already?"),
    ];

    /// <summary>
    /// A decision on every stretch of every video, in the order of the videos; every video has at least one.
    /// </summary>
    public static IReadOnlyList<Decision> Decide(
        IEnumerable<(SourceFile File, Look Look)> looked,
        IEnumerable<Refused> refused,
        DataRecipe recipe,
        Geometry geometry
    )
    {
        var all = refused
            .Select(r => new Decision(r.Path, r.Path, -1, 0, 0, "", r.Rule, null, null, r.Reason, null, "", "", []))
            .ToList();
        var hashes = new List<(Decision Decision, IReadOnlyList<ulong> Hashes, int Pixels)>();
        var bytes = new Dictionary<string, string>();
        foreach (var (file, look) in looked)
        {
            Decision Whole(string rule, string reason, double? value = null, double? limit = null) =>
                new(
                    file.Path,
                    file.Name,
                    look.Scan is { Shots.Count: > 0 } ? 0 : -1,
                    0,
                    look.Scan?.Seconds ?? 0,
                    "",
                    rule,
                    value,
                    limit,
                    reason,
                    null,
                    file.Caption,
                    file.CaptionFrom,
                    []
                )
                {
                    Info = look.Scan?.Info,
                };
            if (look.Scan is not { } scan)
                all.Add(Whole(look.Rule, look.Reason));
            else if (!bytes.TryAdd(look.Content, file.Name))
                all.Add(Whole("duplicate", $"the same bytes as {bytes[look.Content]}"));
            else if (scan.Complaints > recipe.Filter.MaxComplaints)
                all.Add(
                    Whole(
                        "undamaged",
                        $"damaged: {scan.Frames} of {scan.Info.Frames} frames decoded, with {scan.Complaints} "
                            + $"complaints, such as: {scan.Complaint}",
                        scan.Complaints,
                        recipe.Filter.MaxComplaints
                    )
                );
            else
                foreach (var piece in Pieces(scan, recipe.Filter))
                foreach (var decision in Judge(file, look, scan, piece, recipe, geometry))
                {
                    all.Add(decision);
                    if (decision.Kept)
                        hashes.Add(
                            (decision, Within(piece, decision, scan), piece.Shot.Crop.Width * piece.Shot.Crop.Height)
                        );
                }
        }
        var duplicates = Duplicates.Find(hashes, recipe.Filter);
        return
        [
            .. all.Select(d =>
                    duplicates.TryGetValue(d, out var reference)
                        ? d with
                        {
                            Role = "",
                            Rule = "duplicate",
                            Value = reference.Bits,
                            Limit = recipe.Filter.DuplicateBits,
                            Footage = null,
                            Reason =
                                $"differs from {reference.Of.Name} at {reference.Of.Start:0.0} s by {reference.Bits:0.0} of "
                                + $"64 bits on average",
                        }
                        : d
                )
                .OrderBy(d => d.Path, StringComparer.Ordinal)
                .ThenBy(d => d.Start),
        ];
    }

    /// <summary>
    /// A stretch to be judged, or, with a rule, one that is cut out; seconds from the video's first frame.
    /// </summary>
    private sealed record Piece(
        int Row,
        ShotMeasures Shot,
        double Start,
        double End,
        string Rule = "",
        double Limit = 0
    );

    // Shots without what is frozen or black in them.
    private static IEnumerable<Piece> Pieces(VideoScan scan, FilterRules rules)
    {
        var zero = scan.Info.StartSeconds;
        foreach (var (row, shot) in scan.Shots.Index())
        {
            var (at, end) = (shot.Shot.Start - zero, shot.Shot.End - zero);
            var cut = shot
                .Frozen.Where(f => f.Seconds >= rules.FrozenSeconds)
                .Select(f => new Piece(row, shot, f.Start - zero, f.End - zero, "moving", rules.FrozenSeconds))
                .Concat(
                    shot.Black.Where(b => b.Seconds >= rules.BlackSeconds)
                        .Select(b => new Piece(row, shot, b.Start - zero, b.End - zero, "picture", rules.BlackSeconds))
                );
            foreach (var piece in cut.OrderBy(p => p.Start))
            {
                if (piece.End <= at + 1e-6)
                    continue;
                if (piece.Start > at + 1e-6)
                    yield return new(row, shot, at, piece.Start);
                yield return piece with
                {
                    Start = Math.Max(at, piece.Start),
                    End = Math.Min(end, piece.End),
                };
                at = piece.End;
            }
            if (at < end - 1e-6)
                yield return new(row, shot, at, end);
        }
    }

    private static IEnumerable<Decision> Judge(
        SourceFile file,
        Look look,
        VideoScan scan,
        Piece piece,
        DataRecipe recipe,
        Geometry geometry
    )
    {
        var (rules, info, shot, seconds) = (recipe.Filter, scan.Info, piece.Shot, piece.End - piece.Start);
        IReadOnlyList<Decision> Drop(string rule, string reason, double value, double limit) =>
            [
                new(
                    file.Path,
                    file.Name,
                    Row(piece),
                    piece.Start,
                    piece.End,
                    "",
                    rule,
                    Math.Round(value, 4),
                    limit,
                    reason,
                    null,
                    file.Caption,
                    file.CaptionFrom,
                    []
                )
                {
                    Info = info,
                    Measures = shot,
                },
            ];
        if (piece.Rule == "moving")
            return Drop(
                "moving",
                $"frozen for {seconds:0.00} s; {piece.Limit:0.##} s and more are cut out",
                seconds,
                piece.Limit
            );
        if (piece.Rule == "picture")
            return Drop(
                "picture",
                $"black for {seconds:0.00} s; {piece.Limit:0.##} s and more are cut out",
                seconds,
                piece.Limit
            );
        var least = rules.ClipSeconds > 0 ? Math.Min(rules.ClipSeconds, rules.MinSeconds) : rules.MinSeconds;
        if (seconds < least - 0.5 / info.Fps)
            return Drop(
                "length",
                $"a single shot of {seconds:0.##} s; at least {least:0.##} s are needed",
                seconds,
                least
            );
        if (shot.MostContrast < 4)
            return Drop(
                "picture",
                $"plain throughout, contrast at most {shot.MostContrast:0.0} of 255",
                shot.MostContrast,
                4
            );
        if (shot.Motion < rules.MinMotion)
            return Drop(
                "moving",
                $"the picture changes by {shot.Motion:0.000} of 255 within half a second; at least "
                    + $"{rules.MinMotion:0.###} are needed",
                shot.Motion,
                rules.MinMotion
            );
        if (shot.CameraMotion < rules.MinCameraMotion)
            return Drop(
                "camera",
                $"the camera moves in {shot.CameraMotion:P0} of the time; at least {rules.MinCameraMotion:P0} "
                    + $"are needed",
                shot.CameraMotion,
                rules.MinCameraMotion
            );
        var looped = shot.Looped.Sum(l => l.Seconds) / (shot.Shot.End - shot.Shot.Start);
        if (looped > rules.MaxLooped)
            return Drop(
                "loop",
                $"{looped:P0} of it shows again what was shown before; at most {rules.MaxLooped:P0} may",
                looped,
                rules.MaxLooped
            );
        // Where the camera stands still, so does all of the scene: nothing tells a logo from a lamp post.
        var tells = shot.CameraMotion >= 0.5;
        if (tells && shot.Overlay > rules.MaxOverlay)
            return Drop(
                "overlay",
                $"edges that never move cover {shot.Overlay:P1} of the picture; at most {rules.MaxOverlay:P1} may",
                shot.Overlay.Value,
                rules.MaxOverlay
            );
        if (tells && shot.Subtitles > rules.MaxSubtitles)
            return Drop(
                "overlay",
                $"subtitles in {shot.Subtitles:P0} of the time; at most {rules.MaxSubtitles:P0} may",
                shot.Subtitles.Value,
                rules.MaxSubtitles
            );
        if (shot.Over > rules.MaxOver)
            return Drop(
                "exposure",
                $"{shot.Over:P0} of the picture is burnt out; at most {rules.MaxOver:P0} may",
                shot.Over,
                rules.MaxOver
            );
        if (shot.Under > rules.MaxUnder)
            return Drop(
                "exposure",
                $"{shot.Under:P0} of the picture is drowned in black; at most {rules.MaxUnder:P0} may",
                shot.Under,
                rules.MaxUnder
            );
        // Two pixels at an edge are the codec's; a bar is more.
        var bars = shot.Crop.Width < info.Width - 8 || shot.Crop.Height < info.Height - 8;
        if (bars && !rules.CropBars)
            return Drop(
                "bars",
                $"black bars leave {shot.Crop.Width}x{shot.Crop.Height} of {info.Width}x{info.Height}",
                1 - (double)shot.Crop.Width * shot.Crop.Height / info.Width / info.Height,
                0
            );
        var crop = bars ? shot.Crop : new(0, 0, info.Width, info.Height);
        var (width, height) = (crop.Width * info.SampleAspect, (double)crop.Height);
        var bucket = geometry.Bucket(width, height);
        var scale = Math.Min(width / bucket.Width, height / bucket.Height);
        if (scale < rules.MinScale - 1e-9)
            return Drop(
                "size",
                $"{width:0}x{height:0} pixels{(bars ? " without black bars" : "")}; at least "
                    + $"{rules.MinScale * bucket.Width:0}x{rules.MinScale * bucket.Height:0} are needed",
                scale,
                rules.MinScale
            );
        return Parts(file, look, scan, piece, bars ? crop : null, bucket, recipe, geometry);
    }

    private static int Row(Piece piece) => piece.Row < Strips.MostRows ? piece.Row : -1;

    // A piece as one take, thinned out when it is too long, or cut into several.
    private static IEnumerable<Decision> Parts(
        SourceFile file,
        Look look,
        VideoScan scan,
        Piece piece,
        Rectangle? crop,
        (int Width, int Height) bucket,
        DataRecipe recipe,
        Geometry geometry
    )
    {
        var (info, seconds) = (scan.Info, piece.End - piece.Start);
        var over = Math.Max(1, (int)Math.Ceiling((seconds - 0.5 / info.Fps) / geometry.MaxSeconds - 1e-6));
        var (parts, stride) = recipe.Geometry.LongTakes == LongTakes.Cut ? (over, 1) : (1, over);
        for (var n = 0; n < parts; n++)
        {
            var (start, end) = (piece.Start + seconds * n / parts, piece.Start + seconds * (n + 1) / parts);
            var role = end - start >= recipe.Filter.MinSeconds - 0.5 / info.Fps ? "take" : "clip";
            var fps = geometry.Fps / stride;
            var frames = Math.Min(geometry.VideoFrames, geometry.Frames(end - start - 1 / info.Fps, fps));
            var thinned =
                stride > 1 ? $"; longer than {geometry.MaxSeconds:0.##} s, so one frame in {stride} is taken"
                : parts > 1 ? $"; part {n + 1} of {parts}, for the shot is longer than {geometry.MaxSeconds:0.##} s"
                : "";
            var decision = new Decision(
                file.Path,
                file.Name,
                Row(piece),
                start,
                end,
                role,
                "kept",
                Math.Round(end - start, 4),
                null,
                $"one shot of {end - start:0.0} s: a {role} of {frames} frames{thinned}",
                null,
                file.Caption,
                file.CaptionFrom,
                Windows(file.Windows, start, end, scan.Seconds)
            )
            {
                Info = info,
                Measures = piece.Shot,
            };
            if (frames < geometry.ClipFrames)
            {
                yield return decision with
                {
                    Role = "",
                    Rule = "length",
                    Value = frames,
                    Limit = geometry.ClipFrames,
                    Reason =
                        $"{frames} frames at {fps:0.##} frames a second; the model's clips have {geometry.ClipFrames}",
                };
                continue;
            }
            // A quarter of a frame earlier, so that rounding does not lose the first one; of the frame before it is
            // still the end.
            double? from = start <= 1e-6 ? null : Math.Round(info.StartSeconds + start - 0.25 / info.Fps, 6);
            var footage = new Footage(
                "",
                file.Path,
                look.Content,
                info.StartSeconds,
                from,
                fps,
                frames,
                bucket.Width,
                bucket.Height,
                crop
            );
            yield return decision with
            {
                Footage = footage with { Id = Id(footage) },
            };
        }
    }

    private static string Id(Footage f)
    {
        var text = $"{f.Content} {f.Start:R} {f.Fps:R} {f.Frames} {f.Width}x{f.Height} {f.Crop}";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..12];
    }

    // Captions of equal stretches of the video, to those of a stretch of it.
    private static IReadOnlyList<string> Windows(IReadOnlyList<string> video, double start, double end, double seconds)
    {
        if (video.Count == 0 || seconds <= 0)
            return [];
        var (first, last) = (
            (int)(start / seconds * video.Count + 1e-6),
            (int)Math.Ceiling(end / seconds * video.Count - 1e-6)
        );
        return [.. video.Skip(first).Take(Math.Max(1, last - first))];
    }

    private static IReadOnlyList<ulong> Within(Piece piece, Decision decision, VideoScan scan)
    {
        var from = decision.Start + scan.Info.StartSeconds - piece.Shot.Shot.Start;
        return
        [
            .. piece.Shot.Hashes.Where(
                (_, n) => n * PerceptualHash.Seconds is var t && t >= from - 1e-6 && t < from + decision.Seconds
            ),
        ];
    }
}
