namespace LongTake.Bench;

/// <summary>
/// Two files of figures beside each other. A row has changed when its median over the turns has moved out of the
/// other's spread, both ways, and by more than <see cref="Least"/>; ratios to a peer are compared where both have one,
/// because they do not move with the machine's pace.
/// </summary>
internal static class Comparison
{
    /// <summary>What is not called a change however still the machine was.</summary>
    private const double Least = 0.03;

    /// <summary>Prints the comparison; true when nothing became worse.</summary>
    public static bool Print(string before, string after)
    {
        var (a, b) = (Results.Read(before), Results.Read(after));
        if (!a.Same(b))
            Console.WriteLine(
                $"the machines or settings differ; only ratios to peers of the same run are compared:\n  "
                    + $"{Facts(a)}\n  {Facts(b)}\n"
            );
        var lines = new List<string[]> { new[] { "name", "before", "after", "change", "verdict" } };
        var worse = 0;
        foreach (var row in b.Rows)
        {
            if (a.Rows.FirstOrDefault(r => r.Name == row.Name) is not { } old)
            {
                lines.Add([row.Name, "-", Row.Number(row.Ours), "-", "new"]);
                continue;
            }
            var ratio = old.Ratio is not null && row.Ratio is not null && old.PeerName == row.PeerName;
            var (x, y) = ratio ? (old.Ratio!.Value, row.Ratio!.Value) : (old.Ours, row.Ours);
            var verdict =
                !ratio && !a.Same(b)
                    ? "other machine"
                    : Verdict(x, y, old.Spread, row.Spread, lower: !ratio && row.Lower);
            if (verdict == "worse")
                worse++;
            var unit = ratio ? "x" : " " + row.Unit;
            lines.Add([
                row.Name,
                Row.Number(x) + unit,
                Row.Number(y) + unit,
                x == 0 ? "-" : $"{(y / x - 1) * 100:+0;-0}%",
                verdict,
            ]);
        }
        lines.AddRange(
            a.Rows.Where(r => b.Rows.All(n => n.Name != r.Name))
                .Select(r => new[] { r.Name, Row.Number(r.Ours), "-", "-", "gone" })
        );
        var widths = Enumerable.Range(0, 5).Select(i => lines.Max(l => l[i].Length)).ToArray();
        foreach (var line in lines)
            Console.WriteLine(string.Join("  ", line.Select((c, i) => c.PadRight(widths[i]))).TrimEnd());
        Console.WriteLine(worse == 0 ? "\nnothing became worse" : $"\n{worse} became worse");
        return worse == 0;
    }

    private static string Verdict(
        double x,
        double y,
        (double Low, double High)? before,
        (double Low, double High)? after,
        bool lower
    )
    {
        if (x == y)
            return "same";
        if (before is not { } p || after is not { } q)
            return "no spread: cannot tell";
        var apart = (y < p.Low || y > p.High) && (x < q.Low || x > q.High);
        return !apart || Math.Abs(y - x) <= Least * Math.Abs(x) ? "same within noise"
            : y > x != lower ? "better"
            : "worse";
    }

    private static string Facts(Results r) => string.Join(", ", r.Machine.Select(p => $"{p.Key} {p.Value}"));
}
