namespace LongTake.Tests;

/// <summary>Holds tensors to a tolerance and, at the end, says how near the worst of them came to it.</summary>
internal sealed class Deviation(Xunit.Abstractions.ITestOutputHelper output, string what = "") : IDisposable
{
    private double worst, share;
    private int tensors;

    /// <summary>|actual - expected| at most atol + rtol |expected|.</summary>
    public void Hold(Tensor expected, Tensor actual, double atol, double rtol)
    {
        using (new Scope())
        {
            Near.Equal(expected, actual, atol, rtol);
            var (a, b) = (expected.To(Dtype.F64), actual.To(Dtype.F64));
            var error = Abs(a - b);
            worst = Math.Max(worst, Max(error).Scalar());
            share = Math.Max(share, Max(error / (Abs(a) * rtol + atol)).Scalar());
            tensors++;
        }
    }

    public void Dispose() => output.WriteLine($"{what} {tensors} tensors: largest deviation {worst:g3}, {share:p1} of what is allowed");
}
