namespace LongTake.Evaluation;

/// <summary>What real takes are like: the units of relative metrics, and the spaces of the distances.</summary>
public sealed class RealTakes
{
    /// <summary>Windows of which two are compared for repetition are at least this many apart (10 s).</summary>
    private const int Distant = 2;

    private readonly Dictionary<string, double> units;
    private readonly Dictionary<string, double[]> unitsBySecond;
    private readonly Dictionary<int, double> alike = [];

    /// <summary>Statistics of measured takes.</summary>
    public RealTakes(IReadOnlyList<VideoMeasure> takes)
    {
        var relative = Metric.All.Where(m => m.OverReal).Select(m => m.Name).ToList();
        units = relative.ToDictionary(name => name, name => takes.Average(t => t.Values[name]));
        var seconds = takes.Min(t => t.Curves[relative[0]].Length);
        unitsBySecond = relative.ToDictionary(
            name => name,
            name => Enumerable.Range(0, seconds).Select(s => takes.Average(t => t.Curves[name][s] ?? 0)).ToArray()
        );
        if (takes.Sum(t => t.Random.Length) < 2)
            return;
        Random = new Space(takes, v => v.Random);
        ImageNet = new Space(takes, v => v.ImageNet);
        Teacher = new Space(takes, v => v.Teacher);
        foreach (var lag in Enumerable.Range(Distant, Math.Max(0, takes.Max(t => t.Random.Length) - Distant)))
        {
            double[] apart = [.. takes.SelectMany(t => Pairs(t, lag)).Order()];
            if (apart.Length > 0)
                alike[lag] = apart[(int)(.05 * apart.Length)];
        }
    }

    /// <summary>The spaces of FDr, FDi and FDt; takes that were measured without features have none.</summary>
    public Space Random { get; } = null!;
    public Space ImageNet { get; } = null!;
    public Space Teacher { get; } = null!;

    /// <summary>A metric of a video beside these takes; null where the video does not say.</summary>
    public double? Value(Metric metric, VideoMeasure video) =>
        metric.BesideReal is { } beside ? (video.Random.Length > 0 ? beside(this, video) : null)
        : video.Values.TryGetValue(metric.Name, out var v) ? v / units.GetValueOrDefault(metric.Name, 1)
        : null;

    /// <summary>
    /// A metric of a video by the second, beside the same second of these takes; null where it has no such curve.
    /// </summary>
    public double?[]? Curve(Metric metric, VideoMeasure video)
    {
        if (metric.BesideRealBySecond is { } beside)
            return video.Random.Length > 0 ? beside(this, video) : null;
        return
            video.Curves.TryGetValue(metric.Name, out var curve) && unitsBySecond.TryGetValue(metric.Name, out var real)
            ? [.. curve.Take(real.Length).Select((v, s) => v / Math.Max(real[s], 1e-12))]
            : curve;
    }

    internal double DistanceOf(VideoMeasure video) => video.Random.Average(Far);

    internal double?[] DistanceBySecond(VideoMeasure video)
    {
        double[] windows = [.. video.Random.Select(Far)];
        var seconds = video.Curves.Values.First().Length;
        return
        [
            .. Enumerable
                .Range(0, seconds)
                .Select(s => (double?)windows[Math.Min(s * windows.Length / seconds, windows.Length - 1)]),
        ];
    }

    internal double? Repetition(VideoMeasure video)
    {
        bool[] pairs = [.. alike.SelectMany(a => Pairs(video, a.Key).Select(apart => apart < a.Value))];
        return pairs.Length == 0 ? null : pairs.Average(p => p ? 1.0 : 0);
    }

    private double Far(float[] window) => Random.Axes.Far(Random.Of(window));

    private IEnumerable<double> Pairs(VideoMeasure video, int lag)
    {
        double[][] windows = [.. video.Random.Select(Random.Of)];
        return windows.Zip(windows.Skip(lag), Random.Axes.Apart);
    }

    /// <summary>A feature space with the statistics of the real windows in it.</summary>
    public sealed class Space
    {
        private readonly Func<VideoMeasure, float[][]> of;
        private readonly Frechet real;

        internal Space(IReadOnlyList<VideoMeasure> takes, Func<VideoMeasure, float[][]> of)
        {
            this.of = of;
            Axes = FeatureSpace.Fit([.. takes.SelectMany(of).Select(Doubles)]);
            real = new Frechet(takes.Select(Moments).Aggregate((a, b) => a + b));
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
