using System.Globalization;

namespace LongTake.Cli;

/// <summary>
/// How far the memory of this process grows, as Linux counts it: the pages it has touched that belong to no file. Pages
/// of files, as libraries and weights that are read, come and go as the system likes.
/// </summary>
internal sealed class ResidentMemory
{
    private const string Restarts = "/proc/self/clear_refs",
        Status = "/proc/self/status";

    private readonly double start;

    /// <summary>Growth is counted from now on; what can be collected is.</summary>
    public ResidentMemory()
    {
        if (Unmeasurable is { } why)
            throw new UserException(why);
        Collect();
        start = Read("RssAnon");
        Restart();
    }

    /// <summary>Why memory cannot be measured on this system; null where it can.</summary>
    public static string? Unmeasurable =>
        File.Exists(Restarts) && File.Exists(Status)
            ? null
            : "peak memory cannot be measured on this system: it takes /proc of Linux, which counts a process's own";

    /// <summary>The peak starts anew, from what is there now.</summary>
    public static void Restart()
    {
        Collect();
        try
        {
            File.WriteAllText(Restarts, "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"peak memory cannot be measured here: {Restarts} is not writable ({e.Message})");
        }
    }

    /// <summary>Bytes more at the peak than at the start.</summary>
    public double Growth() => Read("VmHWM") - Read("RssFile") - Read("RssShmem") - start;

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    // In the file: "VmHWM:     12345 kB".
    private static double Read(string name) =>
        1024
        * double.Parse(
            File.ReadLines(Status)
                .First(l => l.StartsWith(name, StringComparison.Ordinal))[(name.Length + 1)..]
                .Replace("kB", ""),
            CultureInfo.InvariantCulture
        );
}
