namespace LongTake.Evaluation;

/// <summary>
/// The main directions of real features (principal components): what a Frechet distance is taken in, and how far a
/// single window is from the real ones.
/// </summary>
public sealed class FeatureSpace
{
    private readonly double[] centre,
        variances;
    private readonly double[][] axes;

    private FeatureSpace(double[] centre, double[][] axes, double[] variances) =>
        (this.centre, this.axes, this.variances) = (centre, axes, variances);

    /// <summary>The first <paramref name="dims"/> directions of real features, [samples][numbers].</summary>
    public static FeatureSpace Fit(double[][] real, int dims = 32)
    {
        if (real.Length < 2)
            throw new ArgumentException($"two real windows are needed at least, given {real.Length}");
        var (centre, covariance) = Moments.Of(real).Normal();
        var (values, vectors) = Eigen.Decompose(covariance);
        var floor = Math.Max(values[0] * 1e-6, 1e-12);
        return new(centre, [.. vectors.Take(dims)], [.. values.Take(dims).Select(v => Math.Max(v, floor))]);
    }

    /// <summary>A sample in this space: [dims].</summary>
    public double[] Of(double[] raw)
    {
        var at = new double[axes.Length];
        for (var d = 0; d < at.Length; d++)
        for (var i = 0; i < raw.Length; i++)
            at[d] += axes[d][i] * (raw[i] - centre[i]);
        return at;
    }

    /// <summary>
    /// Mean squared distance from the centre, each direction in its real std: real samples have 1 on average.
    /// </summary>
    public double Far(double[] sample)
    {
        var sum = 0.0;
        for (var d = 0; d < sample.Length; d++)
            sum += sample[d] * sample[d] / variances[d];
        return sum / sample.Length;
    }

    /// <summary>Distance of two samples, each direction in its real std.</summary>
    public double Apart(double[] a, double[] b)
    {
        var sum = 0.0;
        for (var d = 0; d < a.Length; d++)
            sum += (a[d] - b[d]) * (a[d] - b[d]) / variances[d];
        return Math.Sqrt(sum / a.Length);
    }
}
