namespace LongTake.Tests;

/// <summary>Holds tensors to a tolerance and, at the end, says how near the worst of them came to it.</summary>
internal sealed class Deviation(Xunit.Abstractions.ITestOutputHelper output, string what = "") : IDisposable
{
    private double worst,
        share;
    private int tensors;

    /// <summary>|actual - expected| at most atol + rtol |expected|.</summary>
    public void Hold(Tensor expected, Tensor actual, double atol, double rtol)
    {
        using (torch.NewDisposeScope())
        {
            Near.Equal(expected, actual, atol, rtol);
            var (a, b) = (expected.to(ScalarType.Float64), actual.to(ScalarType.Float64));
            var error = (a - b).abs();
            worst = Math.Max(worst, error.max().ToDouble());
            share = Math.Max(share, (error / (a.abs() * rtol + atol)).max().ToDouble());
            tensors++;
        }
    }

    public void Dispose() =>
        output.WriteLine($"{what} {tensors} tensors: largest std {worst:g3}, {share:p1} of what is allowed");
}
