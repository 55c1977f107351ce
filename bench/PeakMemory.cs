using System.Globalization;

namespace LongTake.Bench;

/// <summary>Resident memory as the kernel counts it.</summary>
internal static class PeakMemory
{
    /// <summary>Bytes by which the process's memory rose at most while it worked (its second run: the first warms up).</summary>
    public static double Of(Action work)
    {
        work();
        File.WriteAllText("/proc/self/clear_refs", "5");   // the peak starts anew
        var before = Status("VmRSS");
        work();
        return Math.Max(1, Status("VmHWM") - before);
    }

    private static double Status(string key) => 1024 * double.Parse(File.ReadLines("/proc/self/status")
        .First(l => l.StartsWith(key, StringComparison.Ordinal)).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
