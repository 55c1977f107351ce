namespace LongTake.Tests;

/// <summary>|a - b| at most atol + rtol |a|, with the largest error in the message.</summary>
internal static class Near
{
    public static void Equal(Tensor expected, Tensor actual, double atol, double rtol = 0)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        var (a, b) = (expected.To(Dtype.F64), actual.To(Dtype.F64));
        var excess = Max(Abs(a - b) - Abs(a) * rtol).Scalar();
        Assert.True(excess <= atol, $"largest error {Max(Abs(a - b)).Scalar():g4} (beyond rtol: {excess:g4}, allowed {atol:g4})");
    }
}
