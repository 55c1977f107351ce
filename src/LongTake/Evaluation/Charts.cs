using ScottPlot;
using SkiaSharp;

namespace LongTake.Evaluation;

/// <summary>The pictures of a report, as PNG files.</summary>
internal static class Charts
{
    private static readonly Color[] palette = new ScottPlot.Palettes.Category10().Colors;

    // Machines without fonts, as servers and containers are, must draw texts too.
    static Charts()
    {
        Fonts.FontResolvers.Clear();
        Fonts.FontResolvers.Add(new Inter());
        Fonts.Default = Fonts.Sans = "Inter";
    }

    /// <summary>Metrics over the minute, a panel each: a line for each row with its interval around it.</summary>
    public static byte[] Drift(ComparisonReport report)
    {
        var rows = report.Rows.Where(r => r.Chart).ToList();
        var metrics = Metric.All.Where(m => rows.Any(r => r.Curves.ContainsKey(m.Name))).ToList();
        return Png(3, 320, 240, [.. metrics.Select(m => Panel(report, rows, m)), Legend(report, rows)]);
    }

    /// <summary>Headline metrics: rows as bars with intervals, training seeds as dots.</summary>
    public static byte[] Bars(ComparisonReport report)
    {
        var metrics = Metric.All.Where(m => m.Headline && report.Rows.Any(r => r.Metrics.ContainsKey(m.Name))).ToList();
        return Png(2, 540, 70 + 21 * report.Rows.Count, [.. metrics.Select(m => Bar(report, m))]);
    }

    /// <summary>Realism of a few seconds against the story of the minute; null with fewer than two points.</summary>
    public static byte[]? TradeOff(ComparisonReport report)
    {
        var x = report.Rows.Any(r => r.Metrics.ContainsKey("FDt")) ? "FDt" : "distance";
        var rows = report
            .Rows.Where(r => r.Chart && r.Metrics.GetValueOrDefault(x)?.Mean > 0 && r.Metrics.ContainsKey("story"))
            .ToList();
        if (rows.Count < 2)
            return null;
        var plot = Plot("Realism of a few seconds against the story of the minute: the upper left is best");
        foreach (var row in rows)
        {
            var (near, story, colour) = (row.Metrics[x], row.Metrics["story"], Colour(report, row));
            double Log(double v) => Math.Log10(Math.Max(v, near.Mean / 2));
            Line(plot, [Log(near.Low), Log(near.High)], [story.Mean, story.Mean], colour);
            Line(plot, [Log(near.Mean), Log(near.Mean)], [story.Low, story.High], colour);
            var shape = Place(report, row) >= palette.Length ? MarkerShape.FilledSquare : MarkerShape.FilledCircle;
            plot.Add.Marker(Log(near.Mean), story.Mean, shape, 10, colour).LegendText = row.Name;
        }
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic
        {
            IntegerTicksOnly = true,
            LabelFormatter = v => $"{Math.Pow(10, v):0.##}",
        };
        plot.XLabel($"{x}: {Metric.Named(x).What}", 12);
        plot.YLabel($"story: {Metric.Named("story").What}", 12);
        plot.ShowLegend(Edge.Right);
        return Png(1, 1080, 520, [plot]);
    }

    private static Plot Panel(ComparisonReport report, List<ReportRow> rows, Metric metric)
    {
        var plot = Plot(Title(metric));
        var shown = rows.Where(r => r.Curves.ContainsKey(metric.Name)).ToList();
        foreach (var row in shown)
        {
            var (curve, colour) = (row.Curves[metric.Name], Colour(report, row));
            foreach (var part in Stretches(curve))
            {
                double[] x = [.. part.Select(s => s + .5)];
                double[] At(IReadOnlyList<double?> of) => [.. part.Select(s => of[s]!.Value)];
                var band = plot.Add.FillY(x, At(curve.Low), At(curve.High));
                (band.FillColor, band.LineWidth) = (colour.WithAlpha(.12), 0);
                Line(plot, x, At(curve.Mean), colour, row.Name == report.Reference ? 2.5f : 1.5f, Pattern(report, row));
            }
        }
        double[] values = [.. shown.SelectMany(r => r.Curves[metric.Name].High).OfType<double>().Order()];
        if (values.Length == 0)
            return plot;
        // One wild row must not flatten all others: the axis ends a little above the 98th percentile.
        var top = metric.Best == Best.High ? 1.02 : values[(int)(.98 * (values.Length - 1))] * 1.08;
        var bottom = Math.Min(0, shown.Min(r => r.Curves[metric.Name].Low.Min() ?? 0));
        plot.Axes.SetLimits(0, shown.Max(r => r.Curves[metric.Name].Mean.Count), bottom, Math.Max(top, bottom + 1e-6));
        return plot;
    }

    private static Plot Bar(ComparisonReport report, Metric metric)
    {
        var plot = Plot(Title(metric));
        var count = report.Rows.Count;
        double[] highs = [.. report.Rows.Select(r => r.Metrics.GetValueOrDefault(metric.Name)?.High ?? 0).Order()];
        // A bar beyond the axis is cut and its number written: one row must not decide how all others look.
        var top =
            metric.Best == Best.High ? 1.02
            : highs[^1] > 3 * highs[count / 2] ? highs[(int)(.75 * (count - 1))] * 1.3
            : highs[^1] * 1.05;
        for (var r = 0; r < count; r++)
        {
            if (!report.Rows[r].Metrics.TryGetValue(metric.Name, out var m))
                continue;
            var y = count - 1 - r;
            plot.Add.Bar(
                new Bar
                {
                    Orientation = Orientation.Horizontal,
                    Position = y,
                    Value = Math.Min(m.Mean, top),
                    Size = .7,
                    FillColor = Colour(report, report.Rows[r]).WithAlpha(.6),
                    LineWidth = 0,
                }
            );
            Line(plot, [m.Low, m.High], [y, y], Colors.Black);
            foreach (var seed in m.Seeds ?? [])
                plot.Add.Marker(seed, y, MarkerShape.FilledCircle, 4, Colors.Black);
            if (m.Mean > top)
                plot.Add.Text($"{m.Mean:0.##} ", top, y).LabelAlignment = Alignment.MiddleRight;
        }
        plot.Axes.Left.SetTicks(
            [.. Enumerable.Range(0, count).Select(r => (double)(count - 1 - r))],
            [.. report.Rows.Select(r => r.Name)]
        );
        if (
            report.Rows.FirstOrDefault(r => r.Name == Scoring.RealRow)?.Metrics.GetValueOrDefault(metric.Name) is
            { } real
        )
            plot.Add.VerticalLine(real.Mean, 1, Colors.Black, LinePattern.Dashed);
        plot.Axes.SetLimits(0, Math.Max(top, 1e-6), -.6, count - .4);
        return plot;
    }

    private static Plot Legend(ComparisonReport report, List<ReportRow> rows)
    {
        var plot = Plot("");
        plot.Axes.Frameless();
        plot.HideGrid();
        plot.Legend.ManualItems.AddRange(
            rows.Select(row => new LegendItem
            {
                LabelText = row.Name,
                LineColor = Colour(report, row),
                LineWidth = 2,
                LinePattern = Pattern(report, row),
            })
        );
        plot.ShowLegend(Alignment.UpperLeft);
        return plot;
    }

    private static Plot Plot(string title)
    {
        var plot = new Plot();
        plot.Title(title, 13);
        plot.Axes.Title.Label.Bold = false;
        (plot.Legend.FontSize, plot.Legend.OutlineWidth, plot.Legend.ShadowColor) = (12, 0, Colors.Transparent);
        return plot;
    }

    private static void Line(
        Plot plot,
        double[] x,
        double[] y,
        Color colour,
        float width = 1.4f,
        LinePattern? pattern = null
    )
    {
        var line = plot.Add.ScatterLine(x, y, colour);
        (line.LineWidth, line.LinePattern) = (width, pattern ?? LinePattern.Solid);
    }

    private static string Title(Metric metric) =>
        $"{metric.Name} ({(metric.Best == Best.One ? "1 is real" : metric.Ideal + " is best")})";

    // Seconds of a curve that follow each other.
    private static IEnumerable<List<int>> Stretches(Curve curve) =>
        Enumerable
            .Range(0, curve.Mean.Count)
            .Where(s => curve.Mean[s] is not null)
            .Select((s, i) => (Second: s, Stretch: s - i))
            .GroupBy(p => p.Stretch, p => p.Second)
            .Select(g => g.ToList());

    private static int Place(ComparisonReport report, ReportRow row) =>
        report.Rows.Where(r => r.Name != Scoring.RealRow).ToList().IndexOf(row);

    private static Color Colour(ComparisonReport report, ReportRow row) =>
        Place(report, row) is >= 0 and var at ? palette[at % palette.Length] : Colors.Black;

    private static LinePattern Pattern(ComparisonReport report, ReportRow row) =>
        Place(report, row) switch
        {
            < 0 => LinePattern.Dotted,
            var at when at < palette.Length => LinePattern.Solid,
            _ => LinePattern.Dashed,
        };

    private static byte[] Png(int across, int width, int height, List<Plot> plots)
    {
        const int scale = 2;
        var down = (plots.Count + across - 1) / across;
        var multi = new Multiplot(plots[0]) { Layout = new ScottPlot.MultiplotLayouts.Grid(down, across) };
        foreach (var plot in plots.Skip(1))
            multi.Subplots.Add(plot);
        using var surface = SKSurface.Create(new SKImageInfo(across * width * scale, down * height * scale));
        surface.Canvas.Clear(SKColors.White);
        surface.Canvas.Scale(scale);
        multi.Render(surface.Canvas, new PixelRect(0, across * width, down * height, 0));
        using var image = surface.Snapshot();
        using var data = image.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private sealed class Inter : IFontResolver
    {
        private readonly SKTypeface face = SKTypeface.FromStream(
            typeof(Charts).Assembly.GetManifestResourceStream("Inter.ttf")
        );

        public SKTypeface CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
            face;

        public SKTypeface CreateTypeface(string fontName, bool bold, bool italic) => face;
    }
}
