namespace LongTake.Evaluation;

/// <summary>The pictures of a report.</summary>
internal static class Charts
{
    private const string Grey = "#dddddd",
        Ink = "#222",
        Soft = "#777",
        RealInk = "#111111";

    private static (string Colour, string Dash) Look(ComparisonReport report, ReportRow row)
    {
        if (row.Name == Scoring.RealRow)
            return (RealInk, "2 2");
        var at = report.Rows.Where(r => r.Name != Scoring.RealRow).ToList().IndexOf(row);
        return (Svg.Colour(at), Svg.Dash(at));
    }

    /// <summary>Every measure over the minute, a panel each, a line for each row with the interval around it.</summary>
    public static string Drift(ComparisonReport report)
    {
        var rows = report.Rows.Where(r => r.Chart).ToList();
        var panels = Metric.Curves.Where(c => rows.Any(r => r.Curves.ContainsKey(c.Name))).ToList();
        const double W = 300,
            H = 190,
            Across = 3,
            Top = 46;
        var keyLines = (rows.Count + 2) / 3;
        var key = keyLines * 17 + 12;
        var svg = new Svg(W * Across + 10, Top + key + Math.Ceiling(panels.Count / Across) * H);
        svg.Text(12, 22, "Drift: measures by the second", 15, bold: true);
        svg.Text(12, 38, $"mean of {report.Videos} videos a seed; bands: 95 % bootstrap intervals", 11, colour: Soft);
        for (var i = 0; i < rows.Count; i++)
        {
            var ((colour, dash), x, y) = (Look(report, rows[i]), 12 + i % 3 * W, Top + 12 + i / 3 * 17);
            svg.Line(x, y - 4, x + 22, y - 4, colour, 2, dash);
            svg.Text(x + 28, y, Short(rows[i].Name, 42));
        }
        for (var p = 0; p < panels.Count; p++)
            Panel(svg, report, rows, panels[p], p % (int)Across * W, Top + key + p / (int)Across * H, W, H);
        return svg.ToString();
    }

    private static void Panel(
        Svg svg,
        ComparisonReport report,
        List<ReportRow> rows,
        (string Name, string What, Aim Aim) panel,
        double left,
        double top,
        double w,
        double h
    )
    {
        var (x0, x1, y0, y1) = (left + 44, left + w - 8, top + h - 26, top + 24);
        var shown = rows.Where(r => r.Curves.ContainsKey(panel.Name)).ToList();
        var values = shown
            .SelectMany(r =>
                r.Curves[panel.Name].Mean.Concat(r.Curves[panel.Name].High).Concat(r.Curves[panel.Name].Low)
            )
            .OfType<double>()
            .Order()
            .ToArray();
        var seconds = shown.Max(r => r.Curves[panel.Name].Mean.Count);
        if (values.Length == 0)
            return;
        // One wild row must not flatten all the others: the axis ends a little above the 98th percentile.
        var (low, high) = (
            Math.Min(0, values[0]),
            Math.Max(values[(int)(.98 * (values.Length - 1))] * 1.08, values[0] + 1e-6)
        );
        if (panel.Aim == Aim.One)
            high = Math.Max(high, 1.1);
        if (panel.Aim == Aim.High)
            (low, high) = (Math.Min(low, 0), 1.02);
        double X(double s) => x0 + (x1 - x0) * s / seconds;
        double Y(double v) => y0 - (y0 - y1) * (Math.Clamp(v, low, high) - low) / (high - low);
        foreach (var t in Svg.Ticks(low, high))
        {
            svg.Line(x0, Y(t), x1, Y(t), Grey);
            svg.Text(x0 - 5, Y(t) + 4, Svg.Tick(t), 10, "end", Soft);
        }
        foreach (var t in Svg.Ticks(0, seconds))
            svg.Text(X(t), y0 + 14, $"{Svg.Tick(t)} s", 10, "middle", Soft);
        svg.Text(
            left + 12,
            top + 14,
            panel.What
                + panel.Aim switch
                {
                    Aim.Low => " (low is good)",
                    Aim.High => " (high is good)",
                    _ => " (1 is real)",
                },
            11.5,
            bold: true
        );
        if (panel.Aim == Aim.One)
            svg.Line(x0, Y(1), x1, Y(1), Soft);
        foreach (var row in shown)
        {
            var (c, (colour, _)) = (row.Curves[panel.Name], Look(report, row));
            for (var s = 0; s < c.Mean.Count; s++) // a band for each stretch without a gap
                if (c.Low[s] is not null && (s == 0 || c.Low[s - 1] is null))
                    svg.Area(
                        [
                            .. Enumerable
                                .Range(s, c.Mean.Count - s)
                                .TakeWhile(i => c.Low[i] is not null)
                                .Select(i => (X(i + .5), Y(c.Low[i]!.Value), Y(c.High[i]!.Value))),
                        ],
                        colour
                    );
        }
        foreach (var row in shown)
        {
            var (c, (colour, dash)) = (row.Curves[panel.Name], Look(report, row));
            svg.Path(
                Enumerable
                    .Range(0, c.Mean.Count)
                    .Select(s => c.Mean[s] is { } v ? ((double, double)?)(X(s + .5), Y(v)) : null),
                colour,
                row.Name == report.Reference ? 2.4 : 1.5,
                dash
            );
        }
    }

    /// <summary>
    /// The measures that the comparison is about, rows as bars with intervals, training seeds as dots.
    /// </summary>
    public static string Bars(ComparisonReport report)
    {
        var panels = (
            (string[])
                [
                    "FDt",
                    "FDr",
                    "gaitL",
                    "scroll",
                    "sharp",
                    "motion",
                    "arc",
                    "biome",
                    "story",
                    "lm_rec",
                    "coat_drift",
                    "repeat",
                ]
        )
            .Where(m => report.Rows.Any(r => r.Metrics.ContainsKey(m)))
            .ToList();
        const double Names = 250,
            W = 190,
            Across = 4,
            RowH = 17,
            Top = 46;
        var h = report.Rows.Count * RowH + 46;
        var svg = new Svg(Names + W * Across + 12, Top + Math.Ceiling(panels.Count / Across) * h);
        svg.Text(12, 22, "Measures", 15, bold: true);
        svg.Text(
            12,
            38,
            "bars: mean; lines: 95 % bootstrap intervals over videos and training seeds; dots: training "
                + "seeds; dashed: real takes",
            11,
            colour: Soft
        );
        for (var p = 0; p < panels.Count; p++)
        {
            var (left, top) = (Names + p % (int)Across * W, Top + p / (int)Across * h);
            if (p % (int)Across == 0)
                for (var r = 0; r < report.Rows.Count; r++)
                    svg.Text(
                        Names - 8,
                        top + 34 + r * RowH,
                        Short(report.Rows[r].Name, 42),
                        10.5,
                        "end",
                        bold: report.Rows[r].Name == report.Reference
                    );
            Bar(svg, report, panels[p], left, top, W, RowH);
        }
        return svg.ToString();
    }

    private static void Bar(
        Svg svg,
        ComparisonReport report,
        string metric,
        double left,
        double top,
        double w,
        double rowH
    )
    {
        var aim = Metric.All.FirstOrDefault(m => m.Name == metric)?.Aim ?? Aim.Low;
        var given = report.Rows.Where(r => r.Metrics.ContainsKey(metric)).ToList();
        double[] highs = [.. given.Select(r => r.Metrics[metric].High).Order()];
        // A bar beyond the axis is cut and its number written; otherwise one row decides how all others look.
        var high = Math.Max(
            aim == Aim.High ? 1
                : highs[^1] > 3 * highs[highs.Length / 2] ? highs[(int)(.75 * (highs.Length - 1))] * 1.3
                : highs[^1] * 1.02,
            1e-6
        );
        double X(double v) => left + (w - 22) * Math.Clamp(v, 0, high) / high;
        svg.Text(
            left,
            top + 14,
            metric
                + aim switch
                {
                    Aim.Low => "  (low is good)",
                    Aim.High => "  (high is good)",
                    _ => "  (1 is real)",
                },
            11,
            bold: true
        );
        var bottom = top + 22 + report.Rows.Count * rowH;
        foreach (var t in Svg.Ticks(0, high))
        {
            svg.Line(X(t), top + 22, X(t), bottom, Grey);
            svg.Text(X(t), bottom + 12, Svg.Tick(t), 9, "middle", Soft);
        }
        for (var r = 0; r < report.Rows.Count; r++)
        {
            if (!report.Rows[r].Metrics.TryGetValue(metric, out var m))
                continue;
            var (y, (colour, _)) = (top + 24 + r * rowH, Look(report, report.Rows[r]));
            svg.Box(left, y, X(m.Mean) - left, rowH - 5, colour + "99");
            svg.Line(X(m.Low), y + rowH / 2 - 2.5, X(m.High), y + rowH / 2 - 2.5, Ink, 1.3);
            foreach (var seed in m.Seeds ?? [])
                svg.Dot(X(seed), y + rowH / 2 - 2.5, 2, Ink);
            if (m.Mean > high)
                svg.Text(left + w - 26, y + 10, Svg.Tick(Math.Round(m.Mean, 2)), 9, "end", "white", bold: true);
        }
        if (given.FirstOrDefault(r => r.Name == Scoring.RealRow)?.Metrics[metric].Mean is { } real)
            svg.Line(X(real), top + 22, X(real), bottom, RealInk, 1, "3 2");
    }

    /// <summary>Local realism against the story of the minute: good is at the upper left.</summary>
    public static string? TradeOff(ComparisonReport report)
    {
        var x = report.Rows.Any(r => r.Metrics.ContainsKey("FDt")) ? "FDt" : "far";
        var rows = report
            .Rows.Where(r =>
                r.Chart && r.Metrics.ContainsKey(x) && r.Metrics.ContainsKey("story") && r.Metrics[x].Mean > 0
            )
            .ToList();
        if (rows.Count < 2)
            return null;
        const double W = 760,
            H = 440,
            X0 = 60,
            X1 = W - 210,
            Y0 = H - 50,
            Y1 = 56;
        var (least, most) = (
            Math.Log(rows.Min(r => Math.Max(r.Metrics[x].Low, r.Metrics[x].Mean / 2))) - .1,
            Math.Log(rows.Max(r => r.Metrics[x].High)) + .1
        );
        var floor = Math.Max(0, rows.Min(r => r.Metrics["story"].Low) - .05);
        double X(double v) =>
            X0 + (X1 - X0) * (Math.Clamp(Math.Log(Math.Max(v, 1e-9)), least, most) - least) / (most - least);
        double Y(double v) => Y0 - (Y0 - Y1) * (Math.Clamp(v, floor, 1.02) - floor) / (1.02 - floor);
        var svg = new Svg(W, H);
        svg.Text(12, 22, "Local realism against the story of the minute", 15, bold: true);
        svg.Text(12, 40, "good is at the upper left; crosses: 95 % bootstrap intervals", 11, colour: Soft);
        foreach (var t in Svg.Ticks(floor, 1))
        {
            svg.Line(X0, Y(t), X1, Y(t), Grey);
            svg.Text(X0 - 6, Y(t) + 4, Svg.Tick(t), 10, "end", Soft);
        }
        foreach (
            var t in new[] { .1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000 }.Where(t =>
                Math.Log(t) >= least && Math.Log(t) <= most
            )
        )
        {
            svg.Line(X(t), Y0, X(t), Y1, Grey);
            svg.Text(X(t), Y0 + 16, Svg.Tick(t), 10, "middle", Soft);
        }
        svg.Text(
            (X0 + X1) / 2,
            H - 14,
            $"{x}: distance of 5-s windows from real ones, % of the real variance (logarithmic)",
            11,
            "middle"
        );
        svg.Text(X0 - 40, Y1 - 4, "story: share of the minute's events in place", 11);
        // Names stand in a column at the right in the order of their points, so that none covers another.
        var at = rows.OrderBy(r => Y(r.Metrics["story"].Mean)).ToList();
        var slot = Y1;
        foreach (var row in at)
        {
            var (m, s, (colour, _)) = (row.Metrics[x], row.Metrics["story"], Look(report, row));
            var (px, py) = (X(m.Mean), Y(s.Mean));
            slot = Math.Max(slot, Math.Min(py, Y0 - 16 * (at.Count - at.IndexOf(row))));
            svg.Line(px, py, X1 + 14, slot, colour + "55");
            svg.Line(X(m.Low), py, X(m.High), py, colour, 1.4);
            svg.Line(px, Y(s.Low), px, Y(s.High), colour, 1.4);
            svg.Dot(px, py, row.Name == report.Reference ? 6 : 4.5, colour);
            svg.Text(X1 + 18, slot + 4, Short(row.Name, 30), 10.5, colour: colour, bold: row.Name == report.Reference);
            slot += 16;
        }
        return svg.ToString();
    }

    private static string Short(string name, int length) => name.Length <= length ? name : name[..(length - 3)] + "...";
}
