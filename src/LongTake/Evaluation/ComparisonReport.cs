namespace LongTake.Evaluation;

/// <summary>
/// Where the numbers of a row and a seed come from: ids of the last stage and of the videos are functions of all their
/// settings.
/// </summary>
public sealed record Origin(long Seed, string Stage, string Videos, string Weights);

/// <summary>
/// What a row cost: samples, processor seconds and seconds on the clock of training after the teacher (means of the
/// seeds), processor seconds of a video and of measuring it.
/// </summary>
public sealed record Spent(
    double Samples,
    double TrainProcessor,
    double TrainSeconds,
    double VideoSeconds,
    double MeasureSeconds,
    IReadOnlyList<string> Stages
);

/// <summary>A measure as a function of time: mean and interval by the second.</summary>
public sealed record Curve(
    IReadOnlyList<double?> Mean,
    IReadOnlyList<double?> Low,
    IReadOnlyList<double?> High,
    Estimate? Slope
);

/// <summary>
/// Rank correlation of the lens with an error: over the seconds of a video, mean of the videos; and over the videos.
/// </summary>
public sealed record LensAgreement(Estimate? WithinVideos, double? AcrossVideos);

/// <summary>
/// A row less the reference row in a primary end point: the difference, its two-sided bootstrap p-value, and that
/// corrected by Holm for the number of end points.
/// </summary>
public sealed record EndPoint(Estimate Difference, double P, double Holm);

/// <summary>A row of the report.</summary>
public sealed record ReportRow
{
    public required string Name { get; init; }
    public required IReadOnlyList<Origin> Origins { get; init; }
    public required int Videos { get; init; }
    public required IReadOnlyDictionary<string, Estimate> Metrics { get; init; }

    /// <summary>This row less the reference row, paired by caption, video seed and training seed.</summary>
    public required IReadOnlyDictionary<string, Estimate> Differences { get; init; }

    /// <summary>The tests of the primary end points; empty where the table names none, and in the reference
    /// row.</summary>
    public IReadOnlyDictionary<string, EndPoint> Primary { get; init; } = new Dictionary<string, EndPoint>();
    public required IReadOnlyDictionary<string, Curve> Curves { get; init; }
    public IReadOnlyDictionary<string, LensAgreement>? Lens { get; init; }
    public required Spent Cost { get; init; }

    /// <summary>What every number above is made of: each video's value by metric, [seed][video].</summary>
    public IReadOnlyDictionary<string, double?[][]> Values { get; init; } = new Dictionary<string, double?[][]>();

    /// <summary>
    /// Of metrics that are distances of all videos together, the bootstrap draws; draw d of two rows takes the same
    /// videos.
    /// </summary>
    public IReadOnlyDictionary<string, double?[]> Draws { get; init; } = new Dictionary<string, double?[]>();
    public bool Chart { get; init; }
}

/// <summary>Everything a comparison says, as it is written to disk.</summary>
public sealed record ComparisonReport
{
    public required string About { get; init; }
    public required string Set { get; init; }
    public required int Videos { get; init; }
    public required double Seconds { get; init; }
    public required string Reference { get; init; }

    /// <summary>The build of the program that made every number; empty in reports from before it was written
    /// down.</summary>
    public string Build { get; init; } = "";

    /// <summary>Factor on the steps of every stage; below 1 with a budget.</summary>
    public required double Scale { get; init; }
    public double? BudgetMinutes { get; init; }
    public required IReadOnlyList<ReportRow> Rows { get; init; }

    /// <summary>Names of the primary end points, which were chosen before the numbers were there.</summary>
    public IReadOnlyList<string> Primary { get; init; } = [];

    /// <summary>The best value of each metric: "high", "low" or "1".</summary>
    public IReadOnlyDictionary<string, string> Best { get; init; } = new Dictionary<string, string>();

    /// <summary>Rows that could not be made, and why.</summary>
    public required IReadOnlyDictionary<string, string> Missing { get; init; }
}
