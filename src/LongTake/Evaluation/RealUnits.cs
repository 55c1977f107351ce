namespace LongTake.Evaluation;

/// <summary>What real takes are like: the units of the relative measures, and the spaces of the distances.</summary>
public sealed class RealUnits
{
    /// <summary>Windows of which two are compared for repetition lie at least so many apart (10 s).</summary>
    public const int Distant = 2;

    private static readonly string[] relative = ["pattern", "gradient", "motion"];
    private readonly double pattern,
        gradient,
        motion;
    private readonly Dictionary<string, double[]> bySecond;
    private readonly Dictionary<int, double> alike = [];

    /// <summary>Units from takes that are no others' row.</summary>
    public RealUnits(IReadOnlyList<VideoMeasure> takes)
    {
        pattern = takes.Average(t => t.World.gamp);
        gradient = takes.Average(t => t.World.sharp);
        motion = takes.Average(Motion);
        bySecond = relative.ToDictionary(
            name => name,
            name =>
                Enumerable
                    .Range(0, takes.Min(t => t.Curves[name].Length))
                    .Select(s => takes.Average(t => t.Curves[name][s] ?? 0))
                    .ToArray()
        );
        Random = new Space(takes, f => f.Random);
        Teacher = new Space(takes, f => f.Teacher);
        foreach (var lag in Enumerable.Range(Distant, Math.Max(0, takes.Max(t => t.Random.Length) - Distant)))
        {
            double[] apart = [.. takes.SelectMany(t => Pairs(t, lag)).Order()];
            if (apart.Length > 0)
                alike[lag] = apart[(int)(.05 * apart.Length)];
        }
    }

    /// <summary>The spaces of FDr and FDt.</summary>
    public Space Random { get; }
    public Space Teacher { get; }

    /// <summary>
    /// The video's curves as they are shown: pattern, gradient and motion over those of real takes in the same second;
    /// "far" added.
    /// </summary>
    public Dictionary<string, double?[]> Curves(VideoMeasure video)
    {
        var curves = video.Curves.ToDictionary(
            c => c.Key,
            c =>
                bySecond.TryGetValue(c.Key, out var real)
                    ? [.. c.Value.Take(real.Length).Select((v, s) => v / Math.Max(real[s], 1e-12))]
                    : c.Value
        );
        if (video.Random.Length == 0)
            return curves;
        var seconds = video.Curves["arc"].Length;
        double[] far = [.. video.Random.Select(w => Random.Axes.Far(Random.Of(w)))];
        curves["far"] =
        [
            .. Enumerable
                .Range(0, seconds)
                .Select(s => (double?)far[Math.Min(s * far.Length / seconds, far.Length - 1)]),
        ];
        return curves;
    }

    internal double Pattern(VideoMeasure video) => video.World.gamp / pattern;

    internal double Sharp(VideoMeasure video) => video.World.sharp / gradient;

    internal double Moves(VideoMeasure video) => Motion(video) / motion;

    internal double? Far(VideoMeasure video) =>
        video.Random.Length == 0 ? null : video.Random.Average(w => Random.Axes.Far(Random.Of(w)));

    /// <summary>
    /// Share of the pairs of distant windows that are more alike than all but a twentieth of such pairs of real takes:
    /// .05 for real takes.
    /// </summary>
    internal double? Repeat(VideoMeasure video)
    {
        bool[] pairs = [.. alike.SelectMany(a => Pairs(video, a.Key).Select(apart => apart < a.Value))];
        return pairs.Length == 0 ? null : pairs.Average(p => p ? 1.0 : 0);
    }

    private IEnumerable<double> Pairs(VideoMeasure video, int lag)
    {
        double[][] windows = [.. video.Random.Select(Random.Of)];
        return windows.Zip(windows.Skip(lag), Random.Axes.Apart);
    }

    private static double Motion(VideoMeasure video) => video.Curves["motion"].Average() ?? 0;

    /// <summary>A feature space with the statistics of the real windows in it.</summary>
    public sealed class Space
    {
        private readonly Func<VideoMeasure, float[][]> of;
        private readonly Frechet.Side real;

        internal Space(IReadOnlyList<VideoMeasure> takes, Func<VideoMeasure, float[][]> of)
        {
            this.of = of;
            Axes = FeatureSpace.Fit([.. takes.SelectMany(of).Select(Doubles)]);
            real = new Frechet.Side(takes.Select(Moments).Aggregate((a, b) => a + b));
        }

        internal FeatureSpace Axes { get; }

        internal double[] Of(float[] raw) => Axes.Of(Doubles(raw));

        /// <summary>First and second moments of a video's windows; those of several videos add up.</summary>
        public Moments Moments(VideoMeasure video) => Evaluation.Moments.Of([.. of(video).Select(Of)]);

        /// <summary>Frechet distance of windows with these moments to the real ones, % of the real variance.</summary>
        public double Distance(Moments videos) => real.Percent(videos);

        private static double[] Doubles(float[] raw) => Array.ConvertAll(raw, v => (double)v);
    }
}
