namespace LongTake.Evaluation;

/// <summary>95 % intervals of a mean by drawing the samples again with replacement (percentile bootstrap).</summary>
public static class Bootstrap
{
    public static (double Low, double High) Interval(double[] values, Rng rng, int draws = 2000)
    {
        if (values.Length == 0)
            throw new ArgumentException("an interval needs at least one value");
        var means = new double[draws];
        for (var d = 0; d < draws; d++)
        {
            var sum = 0.0;
            for (var i = 0; i < values.Length; i++)
                sum += values[rng.Int(values.Length)];
            means[d] = sum / values.Length;
        }
        Array.Sort(means);
        return (means[(int)(.025 * draws)], means[Math.Max((int)(.975 * draws) - 1, 0)]);
    }

    /// <summary>Interval of the mean of a - b, where a[i] and b[i] share caption and seed.</summary>
    public static (double Low, double High) PairedDifference(double[] a, double[] b, Rng rng, int draws = 2000) =>
        a.Length == b.Length
            ? Interval([.. a.Zip(b, (x, y) => x - y)], rng, draws)
            : throw new ArgumentException($"pairs need equal counts, given {a.Length} and {b.Length}");
}
