using System.Diagnostics;

namespace LongTake.Bench;

/// <summary>
/// Works timed one after the other, turn after turn, because a machine's pace changes from one second to the next.
/// </summary>
internal static class Turns
{
    /// <summary>
    /// Processor seconds of this process (and of a peer's) instead of those of the clock: for a machine that others
    /// keep busy.
    /// </summary>
    public static bool Processor { get; set; }

    /// <summary>Runs the first work only, and takes its seconds for those of all.</summary>
    public static bool Alone { get; set; }

    /// <summary>Says each figure as it is made.</summary>
    public static bool Told { get; set; }

    /// <summary>Seconds of each work in each of so many turns, after one turn that warms up.</summary>
    public static double[][] Run(int turns, params Func<double>[] works)
    {
        var seconds = works.Select(_ => new double[turns]).ToArray();
        for (var turn = -1; turn < turns; turn++)
        for (var i = 0; i < works.Length; i++)
        {
            if (Alone && i > 0)
            {
                if (turn >= 0)
                    seconds[i][turn] = seconds[0][turn];
                continue;
            }
            var s = works[i]();
            if (turn >= 0)
                seconds[i][turn] = s;
            if (Told)
                Console.Error.WriteLine($"bench:   turn {turn}, work {i}: {s:0.0000} s");
        }
        return seconds;
    }

    /// <summary>
    /// Seconds of one run, averaged over as many as fill <paramref name="least"/> seconds; tensors made in it are
    /// freed.
    /// </summary>
    public static Func<double> Of(Action work, double least = 0) =>
        () =>
        {
            var (count, total) = (0, 0.0);
            do
            {
                using var scope = torch.NewDisposeScope();
                var start = Now();
                work();
                total += Now() - start;
                count++;
            } while (total < least);
            return total / count;
        };

    /// <summary>Seconds since some moment.</summary>
    public static double Now() => Processor ? Environment.CpuUsage.TotalTime.TotalSeconds : Clock();

    /// <summary>Seconds of the clock since some moment.</summary>
    public static double Clock() => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;

    public static double Median(IEnumerable<double> values)
    {
        double[] x = [.. values.Order()];
        return x.Length % 2 == 1 ? x[x.Length / 2] : (x[x.Length / 2 - 1] + x[x.Length / 2]) / 2;
    }
}
