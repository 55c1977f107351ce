using System.Globalization;

namespace LongTake.Bench;

/// <summary>Resident memory as the kernel counts it.</summary>
internal static class PeakMemory
{
    /// <summary>Bytes by which the process's memory rose at most while it worked (its second run: the first warms up).</summary>
    public static double Of(Action work)
    {
        work();
        Restart();
        var before = Status("VmRSS");
        work();
        return Math.Max(1, Highest - before);
    }

    /// <summary>Lets the peak start anew.</summary>
    public static void Restart() => File.WriteAllText("/proc/self/clear_refs", "5");

    /// <summary>Bytes of the process at its peak.</summary>
    public static double Highest => Status("VmHWM");

    private static double Status(string key) => 1024 * double.Parse(File.ReadLines("/proc/self/status")
        .First(l => l.StartsWith(key, StringComparison.Ordinal)).Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
