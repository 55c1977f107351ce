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

/// <summary>Eigenvalues and eigenvectors of small symmetric matrices by Jacobi's rotations.</summary>
internal static class Eigen
{
    /// <summary>Values, largest first, and the vectors as rows in the same order.</summary>
    public static (double[] Values, double[][] Vectors) Decompose(double[,] symmetric)
    {
        var (a, n) = ((double[,])symmetric.Clone(), symmetric.GetLength(0));
        var v = new double[n, n];
        var (off, scale) = (1.0, 1e-300);
        for (var i = 0; i < n; i++)
            v[i, i] = 1;
        foreach (var x in a)
            scale += x * x;
        for (var sweep = 0; sweep < 60 && off > 1e-22 * scale; sweep++)
        {
            off = 0;
            for (var p = 0; p < n; p++)
            for (var q = p + 1; q < n; q++)
            {
                off += a[p, q] * a[p, q];
                Rotate(a, v, p, q, n);
            }
        }
        var order = Enumerable.Range(0, n).OrderByDescending(i => a[i, i]).ToArray();
        return (
            [.. order.Select(i => a[i, i])],
            [.. order.Select(i => Enumerable.Range(0, n).Select(k => v[k, i]).ToArray())]
        );
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

    // Golub and Van Loan, algorithm 8.5.1: the rotation that clears a[p, q].
    private static void Rotate(double[,] a, double[,] v, int p, int q, int n)
    {
        if (a[p, q] == 0)
            return;
        var tau = (a[q, q] - a[p, p]) / (2 * a[p, q]);
        var t = (tau < 0 ? -1 : 1) / (Math.Abs(tau) + Math.Sqrt(1 + tau * tau));
        var c = 1 / Math.Sqrt(1 + t * t);
        var s = t * c;
        for (var k = 0; k < n; k++)
            (a[k, p], a[k, q]) = (c * a[k, p] - s * a[k, q], s * a[k, p] + c * a[k, q]);
        for (var k = 0; k < n; k++)
            (a[p, k], a[q, k]) = (c * a[p, k] - s * a[q, k], s * a[p, k] + c * a[q, k]);
        for (var k = 0; k < n; k++)
            (v[k, p], v[k, q]) = (c * v[k, p] - s * v[k, q], s * v[k, p] + c * v[k, q]);
    }
}
