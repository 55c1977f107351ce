using LongTake.Video;

namespace LongTake.Data;

/// <summary>
/// A stretch to be filtered, or, with a rule, one that is cut out; seconds from the video's first frame.
/// </summary>
internal sealed record Piece(int Row, ShotMeasures Shot, double Start, double End, string Rule = "", double Limit = 0);

/// <summary>What is asked of a stretch, one question after another.</summary>
internal static class FilterQuestions
{
    /// <summary>The answers: whether one drops the stretch, the rule, the reason, and the numbers.</summary>
    public static IEnumerable<(bool Bad, string Rule, string Reason, double Value, double Limit)> Ask(
        Piece piece,
        FilterRules rules,
        VideoInfo info,
        bool bars,
        Rectangle crop,
        (int Width, int Height) bucket
    )
    {
        var (shot, seconds) = (piece.Shot, piece.End - piece.Start);
        var what = piece.Rule == "moving" ? "frozen" : "black";
        yield return (
            piece.Rule.Length > 0,
            piece.Rule,
            $"{what} for {seconds:0.00} s; {piece.Limit:0.##} s and more are cut out",
            seconds,
            piece.Limit
        );
        var least = rules.ClipSeconds > 0 ? Math.Min(rules.ClipSeconds, rules.MinSeconds) : rules.MinSeconds;
        yield return (
            seconds < least - 0.5 / info.Fps,
            "length",
            $"a single shot of {seconds:0.##} s; at least {least:0.##} s are needed",
            seconds,
            least
        );
        yield return (
            shot.MostContrast < 4,
            "picture",
            $"plain throughout, contrast at most {shot.MostContrast:0.0} of 255",
            shot.MostContrast,
            4
        );
        yield return (
            shot.Motion < rules.MinMotion,
            "moving",
            $"the picture changes by {shot.Motion:0.000} of 255 within half a second; at least "
                + $"{rules.MinMotion:0.###} are needed",
            shot.Motion,
            rules.MinMotion
        );
        yield return (
            shot.CameraMotion < rules.MinCameraMotion,
            "camera",
            $"the camera moves in {shot.CameraMotion:P0} of the time; at least {rules.MinCameraMotion:P0} are needed",
            shot.CameraMotion,
            rules.MinCameraMotion
        );
        var looped = shot.Looped.Sum(l => l.Seconds) / (shot.Shot.End - shot.Shot.Start);
        yield return (
            looped > rules.MaxLooped,
            "loop",
            $"{looped:P0} of it shows again what was shown before; at most {rules.MaxLooped:P0} may",
            looped,
            rules.MaxLooped
        );
        // Where the camera stands still, so does all of the scene: a logo looks like a lamp post.
        var moves = shot.CameraMotion >= 0.5;
        yield return (
            moves && shot.Overlay > rules.MaxOverlay,
            "overlay",
            $"edges that never move cover {shot.Overlay:P1} of the picture; at most {rules.MaxOverlay:P1} may",
            shot.Overlay ?? 0,
            rules.MaxOverlay
        );
        yield return (
            moves && shot.Subtitles > rules.MaxSubtitles,
            "overlay",
            $"subtitles in {shot.Subtitles:P0} of the time; at most {rules.MaxSubtitles:P0} may",
            shot.Subtitles ?? 0,
            rules.MaxSubtitles
        );
        yield return (
            shot.Over > rules.MaxOver,
            "exposure",
            $"{shot.Over:P0} of the picture is burnt out; at most {rules.MaxOver:P0} may",
            shot.Over,
            rules.MaxOver
        );
        yield return (
            shot.Under > rules.MaxUnder,
            "exposure",
            $"{shot.Under:P0} of the picture is drowned in black; at most {rules.MaxUnder:P0} may",
            shot.Under,
            rules.MaxUnder
        );
        yield return (
            bars && !rules.CropBars,
            "bars",
            $"black bars leave {crop.Width}x{crop.Height} of {info.Width}x{info.Height}",
            1 - (double)crop.Width * crop.Height / info.Width / info.Height,
            0
        );
        var (width, height) = (crop.Width * info.SampleAspect, (double)crop.Height);
        var scale = Math.Min(width / bucket.Width, height / bucket.Height);
        yield return (
            scale < rules.MinScale - 1e-9,
            "size",
            $"{width:0}x{height:0} pixels{(bars ? " without black bars" : "")}; at least "
                + $"{rules.MinScale * bucket.Width:0}x{rules.MinScale * bucket.Height:0} are needed",
            scale,
            rules.MinScale
        );
    }
}
