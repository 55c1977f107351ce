using System.Diagnostics;
using System.Globalization;

namespace LongTake.Bench;

/// <summary>
/// Peak memory as the kernel counts it (VmHWM), of a process of its own for each figure, on one thread. Such a process
/// first does its work at the smallest size, so that what is loaded once does not count.
/// </summary>
internal static class PeakMemory
{
    /// <summary>Bytes by which a work of this name and size lets the memory of a process rise at most.</summary>
    public static double InChild(string work, int size)
    {
        string[] words = ["memory", work, size.ToString(CultureInfo.InvariantCulture)];
        var start = new ProcessStartInfo(Environment.ProcessPath!, words) { RedirectStandardOutput = true };
        // What is freed goes back to the system at once, so that the peak is that of what is in use.
        start.Environment["MALLOC_TRIM_THRESHOLD_"] = "131072";
        start.Environment["MALLOC_MMAP_THRESHOLD_"] = "131072";
        using var child = Process.Start(start)!;
        var answer = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        return child.ExitCode == 0
            ? double.Parse(answer, CultureInfo.InvariantCulture)
            : throw new UserException(
                $"the process that measures the memory of {work}, {size} ended with {child.ExitCode}"
            );
    }

    /// <summary>What such a process does.</summary>
    public static int Child(string work, int size)
    {
        Engine.Start();
        Libtorch.Threads = 1;
        using var scope = torch.NewDisposeScope();
        Func<int, Action> make = work switch
        {
            "attention" => AttentionSpeed.MemoryWork,
            _ => Law.MemoryWork(work),
        };
        Run(make(work == "attention" ? 256 : Law.Shortest));
        var measured = make(size);
        GC.Collect();
        File.WriteAllText("/proc/self/clear_refs", "5");
        var before = Status("VmRSS");
        Run(measured);
        Console.WriteLine(Math.Max(1, Status("VmHWM") - before).ToString(CultureInfo.InvariantCulture));
        return 0;
    }

    private static void Run(Action work)
    {
        using var scope = torch.NewDisposeScope();
        work();
    }

    private static double Status(string key)
    {
        var line = File.ReadLines("/proc/self/status").First(l => l.StartsWith(key, StringComparison.Ordinal));
        var words = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        return 1024 * double.Parse(words[1], CultureInfo.InvariantCulture);
    }
}
