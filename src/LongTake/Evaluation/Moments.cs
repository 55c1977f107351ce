namespace LongTake.Evaluation;

/// <summary>
/// Count, sum and sum of outer products of samples: enough for a Frechet distance, and additive, so resampling videos
/// is cheap.
/// </summary>
public sealed record Moments(int Count, double[] Sum, double[,] Outer)
{
    /// <summary>Moments of samples [n][dims].</summary>
    public static Moments Of(double[][] samples)
    {
        if (samples.Length == 0)
            return new(0, [], new double[0, 0]);
        var n = samples[0].Length;
        var m = new Moments(samples.Length, new double[n], new double[n, n]);
        foreach (var row in samples)
            for (var i = 0; i < n; i++)
            {
                m.Sum[i] += row[i];
                for (var j = 0; j < n; j++)
                    m.Outer[i, j] += row[i] * row[j];
            }
        return m;
    }

    public static Moments operator +(Moments a, Moments b)
    {
        if (a.Count == 0)
            return b;
        if (b.Count == 0)
            return a;
        var n = a.Sum.Length;
        var sum = new Moments(a.Count + b.Count, new double[n], new double[n, n]);
        for (var i = 0; i < n; i++)
        {
            sum.Sum[i] = a.Sum[i] + b.Sum[i];
            for (var j = 0; j < n; j++)
                sum.Outer[i, j] = a.Outer[i, j] + b.Outer[i, j];
        }
        return sum;
    }

    internal (double[] Mean, double[,] Covariance) Normal()
    {
        var (n, mean) = (Sum.Length, Array.ConvertAll(Sum, s => s / Count));
        var c = new double[n, n];
        for (var i = 0; i < n; i++)
        for (var j = 0; j < n; j++)
            c[i, j] = (Outer[i, j] - Count * mean[i] * mean[j]) / (Count - 1);
        return (mean, c);
    }
}
