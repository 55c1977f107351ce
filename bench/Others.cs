namespace LongTake.Bench;

/// <summary>
/// How many cores processes other than this one and its children (the peers) keep busy, on Linux: the machine's
/// processor time less their own. The load average would count these too.
/// </summary>
internal sealed class Others
{
    private const double TicksASecond = 100;
    private readonly double start = Ticks(),
        began = Turns.Clock();

    /// <summary>Cores, on average since this was made; 0 where it cannot be told.</summary>
    public double Cores => Math.Max(0, Ticks() - start) / TicksASecond / Math.Max(1, Turns.Clock() - began);

    private static double Ticks()
    {
        if (!File.Exists("/proc/stat"))
            return 0;
        // user nice system idle iowait irq softirq steal
        var machine = Numbers(
            File.ReadLines("/proc/stat").First().Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..]
        );
        var busy = machine[0] + machine[1] + machine[2] + machine[5] + machine[6] + machine[7];
        var children = Directory
            .GetDirectories("/proc")
            .Where(d => char.IsAsciiDigit(Path.GetFileName(d)[0]))
            .Select(Stat)
            .Where(s => s is not null && s[1] == $"{Environment.ProcessId}");
        // Of the fields after the name, numbers 11 to 14: its own time and that of children that have ended.
        return busy - children.Append(Stat("/proc/self")).Sum(s => Numbers(s![11..15]).Sum());
    }

    // Fields after the name: state, parent, ...
    private static string[]? Stat(string folder)
    {
        try
        {
            return File.ReadAllText(Path.Combine(folder, "stat")).Split(") ", 2)[1].Split(' ');
        }
        catch (IOException)
        {
            return null;
        } // it has ended
    }

    private static double[] Numbers(string[] fields) =>
        [.. fields.Select(f => double.Parse(f, System.Globalization.CultureInfo.InvariantCulture))];
}
