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
/// reads <see cref="All"/>; a new metric is a row of a world's table and the function that the row names.
/// </summary>
public record Metric(string Name, Best Best, string What)
{
    /// <summary>Whether it is of the whole minute rather than of a few seconds.</summary>
    public bool Minute { get; init; }

    /// <summary>Whether it stands in short tables and among the bars.</summary>
    public bool Headline { get; init; }

    /// <summary>What a video without memory has; null where that is to be measured.</summary>
    public double? Chance { get; init; }

    /// <summary>Whether the value and the curve are divided by what real takes have.</summary>
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

    /// <summary>
    /// All metrics of any world, each name once: first those of a few seconds, then those of the whole minute.
    /// </summary>
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
        new("FDi", Best.Low, "Frechet distance as FDt, in a ResNet-18 trained on ImageNet")
        {
            Headline = true,
            Distance = real => real.ImageNet,
        },
        new("distance", Best.One, "mean squared distance of a 5-s window from the centre of real ones, over theirs")
        {
            BesideReal = (real, video) => real.DistanceOf(video),
            BesideRealBySecond = (real, video) => real.DistanceBySecond(video),
        },
        .. Rows.Where(m => !m.Minute).DistinctBy(m => m.Name),
        .. Rows.Where(m => m.Minute).DistinctBy(m => m.Name),
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

    // The tables of both worlds. A name that stands in both means the same, measured in its own way.
    private static IEnumerable<Metric> Rows =>
        [
            .. TravellerMetrics.All,
            .. Journey.JourneyMetrics.All,
            new Metric<Reading>(
                "seam",
                Best.One,
                "jump of the picture where the windows of a roll-out meet, over that at other latents"
            )
            {
                Video = v => v.Seam(),
            },
        ];

    /// <summary>All metrics of a video by name, and by the second.</summary>
    internal static (Dictionary<string, double> Values, Dictionary<string, double?[]> Curves) Measure(Reading reading)
    {
        var (values, curves) = (new Dictionary<string, double>(), new Dictionary<string, double?[]>());
        foreach (var metric in Rows)
        {
            if (metric.Curve(reading) is { } curve)
                curves[metric.Name] = curve;
            if (metric.Value(reading) is { } value)
                values[metric.Name] = value;
        }
        return (values, curves);
    }

    /// <summary>The value of a whole video; null where the world does not say.</summary>
    private protected virtual double? Value(Reading reading) => null;

    /// <summary>The value of each second; null where the metric has none.</summary>
    private protected virtual double?[]? Curve(Reading reading) => null;

    /// <summary>The metric by the second that <see cref="DriftLens"/> adds.</summary>
    public const string Lens = "lens";
}

/// <summary>A metric of the videos of one world, which have readings of this type.</summary>
internal sealed record Metric<T>(string Name, Best Best, string What) : Metric(Name, Best, What)
    where T : Reading
{
    /// <summary>The value of a whole video; without it, the mean of <see cref="Second"/>.</summary>
    public Func<T, double?>? Video { get; init; }

    /// <summary>The value in one second; null where the world does not say.</summary>
    public Func<T, int, double?>? Second { get; init; }

    private protected override double? Value(Reading reading) =>
        reading is not T own ? null
        : Video is null ? Curve(reading)?.Average()
        : Video(own);

    private protected override double?[]? Curve(Reading reading) =>
        reading is T own && Second is { } second
            ? [.. Enumerable.Range(0, own.Seconds).Select(s => second(own, s))]
            : null;
}
