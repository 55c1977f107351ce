using System.Security.Cryptography;
using System.Text;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>
/// Decides by what was measured: a pure function of records and rules, so that other rules cost seconds. Videos are cut
/// into single shots, shots at frozen and black stretches; what is long enough is asked one question after another.
/// </summary>
public static class Filter
{
    /// <summary>The rules in the order in which they are asked, and what each asks.</summary>
    public static readonly IReadOnlyList<(string Rule, string Asks)> Rules =
    [
        ("exists", "is the file on disk?"),
        ("outside", "does it lie within the sources?"),
        ("link", "is it no symbolic link?"),
        ("manifest", "can its line of the manifest, or its caption file, be read?"),
        ("video", "is it a video?"),
        ("colour", "are its colours those of BT.709, or can they be brought there?"),
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
        var all = refused.Select(r => new Decision(r.Path, r.Path, r.Rule, r.Reason)).ToList();
        var hashes = new List<(Decision Decision, IReadOnlyList<ulong> Hashes, int Pixels)>();
        var bytes = new Dictionary<string, string>();
        foreach (var (file, look) in looked)
        {
            var whole = new Decision(file.Path, file.Name, look.Rule, look.Reason)
            {
                Shot = look.Scan is { Shots.Count: > 0 } ? 0 : -1,
                End = look.Scan?.Seconds ?? 0,
                Caption = file.Caption,
                CaptionFrom = file.CaptionFrom,
                Info = look.Scan?.Info,
            };
            if (look.Scan is not { } scan)
                all.Add(whole);
            else if (!bytes.TryAdd(look.Content, file.Name))
                all.Add(whole with { Rule = "duplicate", Reason = $"the same bytes as {bytes[look.Content]}" });
            else if (scan.Complaints > recipe.Filter.MaxComplaints)
                all.Add(
                    whole with
                    {
                        Rule = "undamaged",
                        Reason =
                            $"damaged: {scan.Frames} of {scan.Info.Frames} frames decoded, with {scan.Complaints} "
                            + $"complaints, such as: {scan.Complaint}",
                        Value = scan.Complaints,
                        Limit = recipe.Filter.MaxComplaints,
                    }
                );
            else if (Stamps(scan) is { Length: > 0 } wrong)
                all.Add(whole with { Rule = "undamaged", Reason = wrong });
            else if (recipe.Filter.Hdr == HdrFootage.Refuse && scan.Info.Colour.IsBeyond)
                all.Add(
                    whole with
                    {
                        Rule = "colour",
                        Reason =
                            $"{scan.Info.Colour.Describe(scan.Info.Width, scan.Info.Height).Split(';')[0]}; "
                            + "filter.hdr refuses what BT.709 does not hold",
                    }
                );
            else
                foreach (var piece in Pieces(scan, recipe.Filter))
                foreach (var decision in Stretch(whole, file, look, scan, piece, recipe, geometry))
                {
                    all.Add(decision);
                    if (decision.Kept)
                        hashes.Add((decision, Within(piece, decision), piece.Shot.Crop.Width * piece.Shot.Crop.Height));
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
                                $"differs from {reference.Of.Name} at {reference.Of.Start:0.0} s by "
                                + $"{reference.Bits:0.0} of 64 bits on average",
                        }
                        : d
                )
                .OrderBy(d => d.Path, StringComparer.Ordinal)
                .ThenBy(d => d.Start),
        ];
    }

    // Why it is not known when the frames are shown, or "".
    private static string Stamps(VideoScan scan)
    {
        const double most = 0.05,
            longest = 60;
        return scan.BadStamps > most * scan.Frames
                ? $"{scan.BadStamps} of {scan.Frames} frames have no stamp, or one that does not grow: when they are "
                    + "shown is not known; was the file joined from several?"
            : scan.LongestGap > longest
                ? $"its stamps jump by {scan.LongestGap:0} s from one frame to the next; was it joined from several?"
            : "";
    }

    // Shots without what is frozen or black in them.
    private static IEnumerable<Piece> Pieces(VideoScan scan, FilterRules rules)
    {
        foreach (var (row, shot) in scan.Shots.Index())
        {
            var (at, end) = (shot.Shot.Start, shot.Shot.End);
            var cut = shot
                .Frozen.Where(f => f.Seconds >= rules.FrozenSeconds)
                .Select(f => new Piece(row, shot, f.Start, f.End, "moving", rules.FrozenSeconds))
                .Concat(
                    shot.Black.Where(b => b.Seconds >= rules.BlackSeconds)
                        .Select(b => new Piece(row, shot, b.Start, b.End, "picture", rules.BlackSeconds))
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

    private static IEnumerable<Decision> Stretch(
        Decision whole,
        SourceFile file,
        Look look,
        VideoScan scan,
        Piece piece,
        DataRecipe recipe,
        Geometry geometry
    )
    {
        var (rules, info, shot) = (recipe.Filter, scan.Info, piece.Shot);
        var stretch = whole with
        {
            Shot = piece.Row < Strips.MostRows ? piece.Row : -1,
            Start = piece.Start,
            End = piece.End,
            Measures = shot,
        };
        // Two pixels at an edge are the codec's; a bar is more.
        var bars = shot.Crop.Width < info.Width - 8 || shot.Crop.Height < info.Height - 8;
        var crop = bars ? shot.Crop : new(0, 0, info.Width, info.Height);
        var bucket = geometry.Bucket(crop.Width * info.SampleAspect, crop.Height);
        foreach (var (bad, rule, reason, value, limit) in FilterQuestions.Ask(piece, rules, info, bars, crop, bucket))
            if (bad)
                return [stretch with { Rule = rule, Reason = reason, Value = Math.Round(value, 4), Limit = limit }];
        return Parts(stretch, file, look, scan, bars ? crop : null, bucket, recipe, geometry);
    }

    // A piece as one take, thinned out when it is too long, or cut into several.
    private static IEnumerable<Decision> Parts(
        Decision stretch,
        SourceFile file,
        Look look,
        VideoScan scan,
        Rectangle? crop,
        (int Width, int Height) bucket,
        DataRecipe recipe,
        Geometry geometry
    )
    {
        var (info, seconds) = (scan.Info, stretch.Seconds);
        var over = Math.Max(1, (int)Math.Ceiling((seconds - 0.5 / info.Fps) / geometry.MaxSeconds - 1e-6));
        var (parts, stride) = recipe.Geometry.LongTakes == LongTakes.Cut ? (over, 1) : (1, over);
        for (var n = 0; n < parts; n++)
        {
            var (start, end) = (stretch.Start + seconds * n / parts, stretch.Start + seconds * (n + 1) / parts);
            var role = end - start >= recipe.Filter.MinSeconds - 0.5 / info.Fps ? "take" : "clip";
            var fps = geometry.Fps / stride;
            var frames = Math.Min(geometry.VideoFrames, geometry.Frames(end - start - 1 / info.Fps, fps));
            var thinned =
                stride > 1 ? $"; longer than {geometry.MaxSeconds:0.##} s, so one frame in {stride} is taken"
                : parts > 1 ? $"; part {n + 1} of {parts}, for the shot is longer than {geometry.MaxSeconds:0.##} s"
                : "";
            var decision = stretch with
            {
                Start = start,
                End = end,
                Role = role,
                Rule = "kept",
                Reason = $"one shot of {end - start:0.0} s: a {role} of {frames} frames{thinned}",
                Value = Math.Round(end - start, 4),
                Windows = Windows(file.Windows, start, end, scan.Seconds),
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
            )
            {
                Colour =
                    info.Colour.Read(info.Width, info.Height) is var colour && colour != VideoColour.Plain
                        ? colour
                        : null,
            };
            yield return decision with
            {
                Footage = footage with { Id = Id(footage) },
            };
        }
    }

    private static string Id(Footage f)
    {
        var text = $"{f.Content} {f.Start:R} {f.Fps:R} {f.Frames} {f.Width}x{f.Height} {f.Crop}{f.Colour}";
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

    private static IReadOnlyList<ulong> Within(Piece piece, Decision decision)
    {
        var from = decision.Start - piece.Shot.Shot.Start;
        return
        [
            .. piece.Shot.Hashes.Where(
                (_, n) => n * PerceptualHash.Seconds is var t && t >= from - 1e-6 && t < from + decision.Seconds
            ),
        ];
    }
}
