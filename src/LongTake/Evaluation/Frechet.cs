namespace LongTake.Evaluation;

/// <summary>
/// Frechet distances of clouds of features to one cloud, all taken as normal (Heusel et al. 2017, eq. 6):
/// |mu - mu'|^2 + tr(C + C' - 2 sqrt(C C')).
/// </summary>
public sealed class Frechet
{
    private readonly double[] mean;
    private readonly double[,] root;
    private readonly double trace;

    public Frechet(Moments real)
    {
        (mean, var covariance) = real.Normal();
        (root, trace) = (Eigen.Apply(covariance, v => Math.Sqrt(Math.Max(v, 0))), Trace(covariance));
    }

    /// <summary>The distance of another cloud; not a number with fewer than two samples.</summary>
    public double Distance(Moments other)
    {
        if (other.Count < 2)
            return double.NaN;
        var (m, c) = other.Normal();
        var apart = mean.Zip(m).Sum(p => (p.First - p.Second) * (p.First - p.Second));
        // tr sqrt(C C') = tr sqrt(R C' R) with R = sqrt(C): symmetric, so its eigenvalues are real and not negative.
        var (values, _) = Eigen.Decompose(Multiply(Multiply(root, c), root));
        return Math.Max(0, apart + trace + Trace(c) - 2 * values.Sum(v => Math.Sqrt(Math.Max(v, 0))));
    }

    /// <summary>The distance as a percentage of the variance of the real features.</summary>
    public double Percent(Moments other) => 100 * Distance(other) / trace;

    private static double Trace(double[,] c) => Enumerable.Range(0, c.GetLength(0)).Sum(i => c[i, i]);

    private static double[,] Multiply(double[,] a, double[,] b)
    {
        var (n, c) = (a.GetLength(0), new double[a.GetLength(0), a.GetLength(0)]);
        for (var i = 0; i < n; i++)
        for (var k = 0; k < n; k++)
        for (var j = 0; j < n; j++)
            c[i, j] += a[i, k] * b[k, j];
        return c;
    }
}

/// <summary>Eigenvalues and eigenvectors of symmetric matrices, by libtorch's LAPACK.</summary>
internal static class Eigen
{
    /// <summary>Values, largest first, and the vectors as rows in the same order.</summary>
    public static (double[] Values, double[][] Vectors) Decompose(double[,] symmetric)
    {
        using var scope = torch.NewDisposeScope();
        var n = symmetric.GetLength(0);
        // Ascending, with the vectors as columns.
        var (values, vectors) = torch.linalg.eigh(torch.tensor(symmetric));
        var rows = vectors.t().flip(0).contiguous().data<double>().ToArray();
        return (values.flip(0).data<double>().ToArray(), [.. rows.Chunk(n)]);
    }

    /// <summary>A function of a symmetric matrix: the same vectors, the function of each value.</summary>
    public static double[,] Apply(double[,] symmetric, Func<double, double> function)
    {
        var (n, (values, vectors)) = (symmetric.GetLength(0), Decompose(symmetric));
        var result = new double[n, n];
        for (var k = 0; k < n; k++)
        {
            var value = function(values[k]);
            for (var i = 0; i < n; i++)
            for (var j = 0; j < n; j++)
                result[i, j] += value * vectors[k][i] * vectors[k][j];
        }
        return result;
    }
}
