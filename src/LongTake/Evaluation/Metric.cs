namespace LongTake.Evaluation;

/// <summary>
/// Which way is better: as low as possible, as high as possible, or as near to 1 (what real takes have) as possible.
/// </summary>
public enum Aim
{
    Low,
    High,
    One,
}

/// <summary>
/// A measure of one video: its name, what it is in a line, what is better, and its value (null where a video does not
/// say).
/// </summary>
public sealed record Metric(string Name, string What, Aim Aim, Func<VideoMeasure, RealUnits, double?> Of)
{
    /// <summary>
    /// The measures of single videos, the local ones first. FDr and FDt, of many videos, are <see cref="Distances"/>.
    /// </summary>
    public static IReadOnlyList<Metric> All { get; } =
    [
        new("gaitL", "share of the feet's motion that 1 Hz explains, in 5-s windows", Aim.High, (f, _) =>
            f.World.gaitL
        ),
        new("scroll", "error of the ground's speed, px a frame", Aim.Low, (f, _) => f.World.scroll),
        new("gamp", "contrast of the ground's pattern over that of real takes", Aim.One, (f, u) => u.Pattern(f)),
        new("sharp", "edge energy over that of real takes", Aim.One, (f, u) => u.Sharp(f)),
        new("motion", "change from frame to frame over that of real takes", Aim.One, (f, u) => u.Moves(f)),
        new(
            "far",
            "mean squared standardised distance of a window from the middle of real ones; real takes: about "
                + "1, tamer ones less",
            Aim.One,
            (f, u) => u.Far(f)
        ),
        new("legs", "correlation of the legs with the best template", Aim.High, (f, _) => f.World.legs),
        new("flick", "change of the sky in 1/8 s, RGB units", Aim.Low, (f, _) => f.World.flick),
        new("gaitF", "error of the step's frequency, Hz", Aim.Low, (f, _) => f.World.gaitF),
        new("arc", "distance of the hour from the schedule of the day", Aim.Low, (f, _) => f.World.arc),
        new("mono", "share of the seconds in which the day does not run back", Aim.High, (f, _) => f.World.mono),
        new("biome", "share of the seconds on the ground of the schedule", Aim.High, (f, _) => f.World.biome),
        new("lm_rec", "share of the lighthouse's two visits that are there", Aim.High, (f, _) => f.World.lm_rec),
        new("lm_fa", "share of the other seconds with a lighthouse", Aim.Low, (f, _) => f.World.lm_fa),
        new("lm_same", "the lighthouse comes back in the same colour", Aim.High, (f, _) => f.World.lm_same),
        new("lm_acc", "share of the visits in the prompt's colour", Aim.High, (f, _) => f.World.lm_acc),
        new(
            "story",
            "share of the minute's six events in place: four grounds for most of their time, two visits",
            Aim.High,
            (f, _) => Story(f)
        ),
        new("gaitG", "as gaitL over the whole video: is the step kept?", Aim.High, (f, _) => f.World.gaitG),
        new(
            "repeat",
            "share of the pairs of windows 10 s apart or more that are more alike than 95 % of such real "
                + "pairs; real takes: .05",
            Aim.Low,
            (f, u) => u.Repeat(f)
        ),
        new("coat_acc", "share of the seconds in the prompt's coat", Aim.High, (f, _) => f.World.coat_acc),
        new("hat_acc", "share of the seconds in the prompt's hat", Aim.High, (f, _) => f.World.hat_acc),
        new("coat_drift", "std of the coat's colour over the video, RGB units", Aim.Low, (f, _) => f.World.coat_drift),
        new("neck_drift", "std of the scarf's colour over the video, RGB units", Aim.Low, (f, _) => f.World.neck_drift),
        new("seam", "jump of the picture where a roll-out's windows meet over that at other latents", Aim.One, (f, _) =>
            f.Seam
        ),
    ];

    /// <summary>Distances of the 5-s windows of many videos to those of real takes, % of the real variance.</summary>
    public static IReadOnlyList<(string Name, string What, Func<RealUnits, RealUnits.Space> Space)> Distances { get; } =
    [
        (
            "FDt",
            "Frechet distance of 5-s windows in the teacher's encoder (32 main directions), % of the real variance",
            u => u.Teacher
        ),
        ("FDr", "the same in a random 3-D convolution network", u => u.Random),
    ];

    /// <summary>What the curves show.</summary>
    public static IReadOnlyList<(string Name, string What, Aim Aim)> Curves { get; } =
    [
        ("far", "distance from real windows", Aim.One),
        ("arc", "error of the hour", Aim.Low),
        ("biome", "right ground", Aim.High),
        ("identity", "coat against its first 5 s", Aim.Low),
        ("hat", "right hat", Aim.High),
        ("gait", "gait explained by 1 Hz", Aim.High),
        ("scroll", "error of the scroll, px", Aim.Low),
        ("pattern", "ground pattern / real", Aim.One),
        ("gradient", "edge energy / real", Aim.One),
        ("motion", "motion / real", Aim.One),
        ("lens", "FM and DM head disagree", Aim.Low),
    ];

    /// <summary>A video's error in a second, of what can be measured, for the drift lens to be held against.</summary>
    public static IReadOnlyList<(
        string Name,
        Func<IReadOnlyDictionary<string, double?[]>, int, double?> Of
    )> Errors { get; } =
    [
        ("hour", (c, s) => c["arc"][s]),
        ("ground", (c, s) => 1 - c["biome"][s]),
        ("coat", (c, s) => c["identity"][s]),
        ("hat", (c, s) => 1 - c["hat"][s]),
        ("gait", (c, s) => 1 - c["gait"][s]),
        ("scroll", (c, s) => c["scroll"][s]),
        ("pattern", (c, s) => Off(c["pattern"], s)),
        ("edges", (c, s) => Off(c["gradient"], s)),
        ("motion", (c, s) => Off(c["motion"], s)),
        ("far", (c, s) => c.TryGetValue("far", out var far) ? Off(far, s) : null),
    ];

    private static double? Off(double?[] curve, int s) =>
        s < curve.Length && curve[s] is { } v ? Math.Abs(v - 1) : null;

    private static double? Story(VideoMeasure video)
    {
        var grounds = video
            .Curves["biome"]
            .Select((right, s) => (right, Due: Places.Due(s)))
            .Where(p => p.right is not null)
            .GroupBy(p => p.Due)
            .Select(g => g.Average(p => p.right!.Value) > .5 ? 1.0 : 0)
            .ToList();
        return (grounds.Sum() + 2 * video.World.lm_rec) / (grounds.Count + 2);
    }
}
