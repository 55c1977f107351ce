namespace LongTake.Tests;

/// <summary>
/// How many tensors there are, once those that earlier tests left to the collector are gone: what is counted afterwards
/// is then the test's own.
/// </summary>
internal static class LiveTensors
{
    public static long Settled()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        return Tensor.TotalCount;
    }
}
