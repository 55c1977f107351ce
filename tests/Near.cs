namespace LongTake.Tests;

/// <summary>|a - b| at most atol + rtol |a|, with the largest error in the message.</summary>
internal static class Near
{
    public static void Equal(Tensor expected, Tensor actual, double atol, double rtol = 0)
    {
        Assert.Equal(expected.shape, actual.shape);
        var (a, b) = (expected.to(ScalarType.Float64), actual.to(ScalarType.Float64));
        var excess = ((a - b).abs() - a.abs() * rtol).max().ToDouble();
        Assert.True(
            excess <= atol,
            $"largest error {(a - b).abs().max().ToDouble():g4} (beyond rtol: {excess:g4}, allowed {atol:g4})"
        );
    }
}
