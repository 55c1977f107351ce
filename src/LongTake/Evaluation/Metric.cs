namespace LongTake.Evaluation;

/// <summary>The best value of a metric: as low or as high as possible, or 1, which is what real takes have.</summary>
public enum Best
{
    Low,
    High,
    One,
}

/// <summary>
/// A metric of a video: its name, its best value and what it is. Everything that measures, prints or draws metrics
/// reads <see cref="All"/>; a new metric is a row there and the function that the row names.
/// </summary>
public sealed record Metric(string Name, Best Best, string What)
{
    /// <summary>Whether it is of the whole minute rather than of a few seconds.</summary>
    public bool Minute { get; init; }

    /// <summary>Whether it stands in short tables and among the bars.</summary>
    public bool Headline { get; init; }

    /// <summary>The value of a whole video; without it, the mean of <see cref="Second"/>.</summary>
    internal Func<VideoReading, double?>? Video { get; init; }

    /// <summary>The value in one second; null where the world does not say.</summary>
    internal Func<VideoReading, int, double?>? Second { get; init; }

    /// <summary>Whether both are divided by what real takes have.</summary>
    internal bool OverReal { get; init; }

    /// <summary>The value of a measured video beside real takes, and by the second.</summary>
    internal Func<RealTakes, VideoMeasure, double?>? BesideReal { get; init; }
    internal Func<RealTakes, VideoMeasure, double?[]>? BesideRealBySecond { get; init; }

    /// <summary>The space in which the windows of many videos have a distance to those of real takes.</summary>
    internal Func<RealTakes, RealTakes.Space>? Distance { get; init; }

    /// <summary>How far a value is from the best one.</summary>
    public double Error(double value) =>
        Best switch
        {
            Best.Low => value,
            Best.High => 1 - value,
            _ => Math.Abs(value - 1),
        };

    /// <summary>The best value in a word or two, for tables and charts.</summary>
    public string Ideal => Best == Best.One ? "1" : Best.ToString().ToLowerInvariant();

    /// <summary>The metric of a name.</summary>
    public static Metric Named(string name) => All.First(m => m.Name == name);

    /// <summary>All metrics: first those of a few seconds, then those of the whole minute.</summary>
    public static IReadOnlyList<Metric> All { get; } =
    [
        new(
            "FDt",
            Best.Low,
            "Frechet distance of 5-s windows to real ones in the teacher's encoder, % of the real variance"
        )
        {
            Headline = true,
            Distance = real => real.Teacher,
        },
        new("FDr", Best.Low, "Frechet distance as FDt, in a random 3-D convolution network")
        {
            Distance = real => real.Random,
        },
        new("distance", Best.One, "mean squared distance of a 5-s window from the centre of real ones, over theirs")
        {
            BesideReal = (real, video) => real.DistanceOf(video),
            BesideRealBySecond = (real, video) => real.DistanceBySecond(video),
        },
        new("gait", Best.High, "share of the feet's motion that one step a second explains, in 5-s windows")
        {
            Headline = true,
            Video = v => v.MeanOfFeet(Walker.Explained),
            Second = (v, s) => Walker.Explained(v.FeetAround(s), v.Video.Rate),
        },
        new("stepRate", Best.Low, "error of the frequency of the step, Hz")
        {
            Video = v => v.MeanOfFeet(Walker.FrequencyError),
        },
        new("legs", Best.High, "correlation of the legs with the most similar drawing of legs") { Video = v => v.Legs },
        new("scroll", Best.Low, "error of the speed of the ground, pixels a frame of the world")
        {
            Headline = true,
            Video = v => v.Ground.Scroll,
            Second = (v, s) => v.GroundOf[s].Scroll,
        },
        new("pattern", Best.One, "contrast of the pattern of the ground, over that of real takes")
        {
            OverReal = true,
            Video = v => v.Ground.Amplitude,
            Second = (v, s) => v.GroundOf[s].Amplitude,
        },
        new("sharpness", Best.One, "energy of the edges, over that of real takes")
        {
            Headline = true,
            OverReal = true,
            Second = (v, s) => v.Seconds[s].Gradient(v.Days[s].Tint),
        },
        new("motion", Best.One, "change from frame to frame, over that of real takes")
        {
            OverReal = true,
            Second = (v, s) => v.Seconds[s].Motion(v.Days[s].Tint),
        },
        new("flicker", Best.Low, "change of the sky in 1/8 s, RGB units") { Video = v => Sky.Flicker(v.Video) },
        new("seam", Best.One, "jump of the picture where the windows of a roll-out meet, over that at other latents")
        {
            Video = v => v.Seam(),
        },
        new("story", Best.High, "share of the six events of the minute in place: four biomes, two visits")
        {
            Minute = true,
            Headline = true,
            Video = v => v.Story(),
        },
        new("timeOfDay", Best.Low, "distance of the time of day from the schedule, as a share of the day")
        {
            Minute = true,
            Headline = true,
            Second = (v, s) => Sky.Off(v.Days[s], s),
        },
        new("dayOrder", Best.High, "share of the seconds in which the day does not run back")
        {
            Minute = true,
            Video = v => Sky.Order(v.Days),
        },
        new("biomes", Best.High, "share of the seconds in the biome of the schedule")
        {
            Minute = true,
            Headline = true,
            Second = (v, s) => v.Biome(s),
        },
        new("lighthouse", Best.High, "share of the two visits of the lighthouse that take place")
        {
            Minute = true,
            Video = v => v.Visits.Average(visit => visit is null ? 0 : 1),
        },
        new("lighthouseElse", Best.Low, "share of the other seconds with a lighthouse")
        {
            Minute = true,
            Video = v => v.LighthouseElse(),
        },
        new("lighthouseSame", Best.High, "whether the lighthouse comes back in the same colour")
        {
            Minute = true,
            Video = v => v.Visits is [int a, int b] ? (a == b ? 1 : 0) : null,
        },
        new("lighthouseColour", Best.High, "share of the visits in the colour of the prompt")
        {
            Minute = true,
            Video = v => v.LighthouseColour(),
        },
        new("gaitMinute", Best.High, "as gait, over the whole video: whether the walk keeps step")
        {
            Minute = true,
            Video = v => Walker.Explained(v.Feet.AsSpan(0, v.Video.Second(v.Video.Seconds).Start), v.Video.Rate),
        },
        new("coat", Best.High, "share of the seconds in the coat of the prompt")
        {
            Minute = true,
            Second = (v, s) => v.Truth.Coat is { } coat ? (Walker.NearestCoat(v.Coats[s]) == coat ? 1 : 0) : null,
        },
        new("hat", Best.High, "share of the seconds in the hat of the prompt")
        {
            Minute = true,
            Second = (v, s) => v.Truth.Hat is { } hat ? (v.Hats[s] == hat ? 1 : 0) : null,
        },
        new(
            "coatDrift",
            Best.Low,
            "change of the colour of the coat, RGB units: std; by the second, from the first 5 s"
        )
        {
            Minute = true,
            Video = v => Walker.Drift(v.Coats),
            Second = (v, s) => v.CoatChange(s),
        },
        new("scarfDrift", Best.Low, "std of the colour of the scarf, RGB units")
        {
            Minute = true,
            Video = v => Walker.Drift(v.Scarves),
        },
        new(
            "repetition",
            Best.Low,
            "share of pairs of windows 10 s apart more alike than 95 % of real pairs (real: .05)"
        )
        {
            Minute = true,
            Headline = true,
            BesideReal = (real, video) => real.Repetition(video),
        },
        new(Lens, Best.Low, "disagreement of the flow-matching and the distribution-matching head"),
    ];

    /// <summary>The metric by the second that <see cref="DriftLens"/> adds.</summary>
    public const string Lens = "lens";
}
