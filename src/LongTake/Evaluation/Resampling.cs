namespace LongTake.Evaluation;

/// <summary>
/// A figure with its 95 % bootstrap interval; by training seed where there are several; how many videos have it.
/// </summary>
public sealed record Estimate(double Mean, double Low, double High, int Videos, IReadOnlyList<double>? Seeds = null);

/// <summary>
/// Draws of videos, and of training seeds where there are several, with replacement. All rows of a table are drawn
/// alike (draw d takes the same videos everywhere, and the same seeds of rows with as many), so the difference of two
/// rows is paired by caption, video seed and training seed.
/// </summary>
public sealed class Resampling(int videos, int draws = 1000)
{
    /// <summary>Every draw of a figure, and the figure itself; NaN where a draw has none.</summary>
    public sealed record Drawn(double Value, double[] Draws, int Videos, double[] Seeds)
    {
        /// <summary>
        /// The figure with its interval: percentiles of the draws, moved so that their middle is the figure. (Drawing
        /// videos twice makes clouds look narrower: a Frechet distance would otherwise lie below all of its own
        /// interval.)
        /// </summary>
        public Estimate Estimate()
        {
            double[] sorted = [.. Draws.Where(double.IsFinite).Order()];
            if (sorted.Length == 0 || !double.IsFinite(Value))
                return new(Value, Value, Value, Videos, Seeds.Length > 1 ? Seeds : null);
            var off = Value - sorted[sorted.Length / 2];
            return new(
                Value,
                sorted[(int)(.025 * sorted.Length)] + off,
                sorted[Math.Max((int)(.975 * sorted.Length) - 1, 0)] + off,
                Videos,
                Seeds.Length > 1 ? Seeds : null
            );
        }

        /// <summary>
        /// Two-sided p-value of the figure being 0: twice the share of the draws on the other side of it, moved as in
        /// <see cref="Estimate"/>. No smaller than the number of draws can tell; NaN without draws.
        /// </summary>
        public double P()
        {
            double[] sorted = [.. Draws.Where(double.IsFinite).Order()];
            if (sorted.Length == 0 || !double.IsFinite(Value))
                return double.NaN;
            var off = Value - sorted[sorted.Length / 2];
            var (below, above) = (sorted.Count(d => d + off <= 0), sorted.Count(d => d + off >= 0));
            return Math.Min(1, 2.0 * (1 + Math.Min(below, above)) / (1 + sorted.Length));
        }

        /// <summary>A function of the figure and of every draw.</summary>
        public Drawn Select(Func<double, double> of) =>
            new(of(Value), Array.ConvertAll(Draws, d => of(d)), Videos, Array.ConvertAll(Seeds, d => of(d)));

        /// <summary>This less another, draw by draw.</summary>
        public Drawn Less(Drawn other) =>
            new(
                Value - other.Value,
                [.. Draws.Zip(other.Draws, (a, b) => a - b)],
                Math.Min(Videos, other.Videos),
                Seeds.Length == other.Seeds.Length ? [.. Seeds.Zip(other.Seeds, (a, b) => a - b)] : []
            );
    }

    /// <summary>A mean over videos: <paramref name="values"/> by [seed][video], null where a video has none.</summary>
    public Drawn Mean(double?[][] values) =>
        Draw(
            values.Length,
            (seed, picked) =>
            {
                var (sum, count) = (0.0, 0);
                foreach (var n in picked)
                    if (n < values[seed].Length && values[seed][n] is { } v)
                        (sum, count) = (sum + v, count + 1);
                return count == 0 ? double.NaN : sum / count;
            },
            draws,
            values.Sum(v => v.Count(x => x is not null))
        );

    /// <summary>
    /// A Frechet distance: moments of the videos' windows by [seed][video]. The mean of the seeds' own distances, for
    /// more videos alone lower it.
    /// </summary>
    public Drawn Distance(Moments[][] values, RealTakes.Space space) =>
        Draw(
            values.Length,
            (seed, picked) =>
                space.Distance(
                    picked.Where(n => n < values[seed].Length).Select(n => values[seed][n]).Aggregate((a, b) => a + b)
                ),
            draws,
            values.Sum(v => v.Length)
        );

    /// <summary>
    /// P-values of one family, corrected by Holm: the smallest times their number, the next times one less, and so on,
    /// none below one before it.
    /// </summary>
    public static double[] Holm(IReadOnlyList<double> p)
    {
        var (corrected, largest) = (new double[p.Count], 0.0);
        foreach (var (rank, i) in Enumerable.Range(0, p.Count).OrderBy(i => p[i]).Index())
            corrected[i] = largest = Math.Max(largest, Math.Min(1, (p.Count - rank) * p[i]));
        return corrected;
    }

    private Drawn Draw(int seeds, Func<int, int[], double> of, int count, int given)
    {
        int[] all = [.. Enumerable.Range(0, videos)];
        double[] bySeed = [.. Enumerable.Range(0, seeds).Select(s => of(s, all))];
        var drawn = new double[count];
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount }, d =>
        {
            var (videos1, seeds1) = (new Rng(5, d), new Rng(7, d));
            int[] picked = [.. all.Select(_ => videos1.Int(videos))];
            drawn[d] = Average(Enumerable.Range(0, seeds).Select(_ => of(seeds1.Int(seeds), picked)));
        });
        return new(Average(bySeed), drawn, given, bySeed);
    }

    private static double Average(IEnumerable<double> values)
    {
        double[] finite = [.. values.Where(double.IsFinite)];
        return finite.Length == 0 ? double.NaN : finite.Average();
    }
}
