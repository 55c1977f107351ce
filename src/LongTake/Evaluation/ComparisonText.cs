using System.Globalization;
using System.Text;

namespace LongTake.Evaluation;

/// <summary>A report as Markdown.</summary>
internal sealed class ComparisonText(ComparisonReport report, ComparisonTable table)
{
    private readonly StringBuilder text = new();

    /// <summary>
    /// The headline metrics of the charted rows: a table that fits on a screen, and where all others are.
    /// </summary>
    public string Short()
    {
        var metrics = Metric
            .All.Where(m => report.Primary.Count > 0 ? report.Primary.Contains(m.Name) : m.Headline)
            .Where(m => report.Rows.Any(r => r.Metrics.ContainsKey(m.Name)))
            .ToList();
        Row(["row", .. metrics.Select(m => m.Name)]);
        Row(["---", .. metrics.Select(_ => "---")]);
        Row(["best", .. metrics.Select(m => m.Ideal)]);
        Chance(["chance"], metrics);
        foreach (var row in report.Rows.Where(r => r.Chart))
            Row([row.Name, .. metrics.Select(m => row.Metrics.TryGetValue(m.Name, out var e) ? F(e.Mean, false) : "")]);
        text.Append($"\n{string.Join("; ", metrics.Select(m => $"**{m.Name}**: {m.What}"))}.\n");
        if (table.Page.Length > 0)
            text.Append(
                $"\n[All rows and metrics, intervals, charts and videos of \"{report.About}\"]"
                    + $"({Link(table.Report + ".md", table.Page)}).\n"
            );
        return text.ToString();
    }

    /// <summary>The page of all metrics.</summary>
    public string Page(string command)
    {
        text.Append($"# {report.About}\n\nMade by this command; do not edit.\n\n```\n{command}\n```\n\n");
        text.Append(
            $"{report.Videos} videos of {report.Seconds:0.#} s a row and training seed; captions and seeds are "
                + $"those of the `{report.Set}` set, the same in\nevery row. In brackets 95 % bootstrap intervals "
                + "over videos and, where a row has several, training seeds; `±` is\n"
                + "the standard deviation between training seeds.\n"
        );
        if (report.Build.Length > 0)
            text.Append($"\nAll of it was made by build {report.Build} of the program.\n");
        if (report.Scale < 1)
            text.Append(
                $"\n**Scaled down:** a budget of {report.BudgetMinutes:0.##} minutes; the steps of every stage are "
                    + $"multiplied by {report.Scale:g2}. These are not the numbers of the whole table.\n"
            );
        foreach (var (name, why) in report.Missing)
            text.Append($"\n**Not made:** {name}. {why.TrimEnd('.')}.\n");
        foreach (var minute in (bool[])[false, true])
            Table(minute ? "The whole minute" : "A few seconds", Metric.All.Where(m => m.Minute == minute), row =>
                row.Metrics
            );
        text.Append("\n| metric | what | best | chance |\n|---|---|---|---|\n");
        foreach (var m in Metric.All.Where(m => report.Rows.Any(r => r.Metrics.ContainsKey(m.Name))))
            Row([m.Name, m.What, m.Ideal, m.Chance is { } chance ? F(chance, false) : ""]);
        Primary();
        Picture("Headline metrics", table.Report + "-bars.png");
        Picture("Realism against story", table.Report + "-tradeoff.png");
        text.Append(
            $"\n## Against {report.Reference}\n\nThe row less {report.Reference}, paired by caption, video seed and "
                + "training seed. Where 1 is best, the difference is that of the\ndistances from 1: less is nearer. "
                + "**Bold**: the interval excludes 0.\n"
        );
        Table("", Metric.All, row => row.Differences, signed: true);
        text.Append("\n## Drift\n");
        Picture("Drift", table.Report + "-drift.png");
        text.Append(
            "\nSlope of each curve per minute, mean of the videos' own slopes. **Bold**: the interval excludes 0.\n"
        );
        Table(
            "",
            Metric.All,
            row => row.Curves.Where(c => c.Value.Slope is not null).ToDictionary(c => c.Key, c => c.Value.Slope!),
            signed: true
        );
        Lens();
        Cost();
        text.Append(
            "\n## Videos\n\nFrom the left the first to the last second; a caption a line, the same in every picture; "
                + "the first training seed.\n"
        );
        foreach (var row in report.Rows)
            Picture(row.Name, ComparisonPage.SheetFile(table, row.Name), title: true);
        var json = Path.GetFileName(table.Report) + ".json";
        text.Append($"\nEvery number, and the hashes of the settings and weights behind it: [{json}]({json}).\n");
        return text.ToString();
    }

    // What a video without memory has, where that is known.
    private void Chance(IEnumerable<string> first, IReadOnlyList<Metric> metrics)
    {
        if (metrics.Any(m => m.Chance is not null))
            Row([.. first, .. metrics.Select(m => m.Chance is { } chance ? F(chance, false) : "")]);
    }

    private void Primary()
    {
        if (report.Primary.Count == 0)
            return;
        text.Append(
            $"\n## Primary end points\n\nChosen before the table was made. The row less {report.Reference}, paired by "
                + "caption, video seed and training seed; `p`: two-sided, by\nthe bootstrap over videos and training "
                + "seeds, corrected by Holm for the end points of a row. **Bold**: below .05.\n\n"
        );
        Row(["row", .. report.Primary]);
        Row(["---", .. report.Primary.Select(_ => "---")]);
        foreach (var row in report.Rows.Where(r => r.Primary.Count > 0))
            Row([row.Name, .. report.Primary.Select(n => row.Primary.TryGetValue(n, out var e) ? Tested(e) : "")]);
    }

    private static string Tested(EndPoint e)
    {
        var body = $"{Cell(e.Difference with { Seeds = null }, true).Trim('*')} p {F(e.Holm, false)}";
        return e.Holm < .05 ? $"**{body}**" : body;
    }

    private void Table(
        string title,
        IEnumerable<Metric> metrics,
        Func<ReportRow, IReadOnlyDictionary<string, Estimate>> of,
        bool signed = false
    )
    {
        var rows = report.Rows.Where(row => of(row).Count > 0).ToList();
        List<string> names = [.. metrics.Select(m => m.Name).Where(n => rows.Any(row => of(row).ContainsKey(n)))];
        if (names.Count == 0)
            return;
        text.Append(title.Length > 0 ? $"\n## {title}\n\n" : "\n");
        Row(["row", "videos", .. names]);
        Row(["---", "---", .. names.Select(_ => "---")]);
        foreach (var row in rows)
            Row([
                row.Name,
                $"{row.Videos}",
                .. names.Select(n => of(row).TryGetValue(n, out var e) ? Cell(e, signed) : ""),
            ]);
    }

    private void Lens()
    {
        var rows = report.Rows.Where(row => row.Lens is not null).ToList();
        if (rows.Count == 0)
            return;
        List<string> names = [.. rows[0].Lens!.Keys];
        text.Append(
            "\n## The drift lens\n\nDo the two heads disagree where the video is wrong? Rank correlation (Spearman) of "
                + "|v_fm - v_dm| / |v_fm| on the\nstudent's own video, noised to levels "
                + $"{string.Join(", ", DriftLens.Levels)}, with the error of each metric in the same second: mean over "
                + "videos of the\ncorrelation within a video, its interval, and, after the stroke, the correlation "
                + "over videos.\n\n"
        );
        Row(["row", .. names]);
        Row(["---", .. names.Select(_ => "---")]);
        foreach (var row in rows)
            Row([row.Name, .. names.Select(n => row.Lens!.TryGetValue(n, out var a) ? Agreement(a) : "")]);
    }

    private static string Agreement(LensAgreement a)
    {
        var within = a.WithinVideos is { } w ? Cell(w with { Seeds = null }, true) : "n/a";
        return $"{within} / {(a.AcrossVideos is { } across ? F(across, true) : "n/a")}";
    }

    private void Cost()
    {
        text.Append(
            "\n## What each row cost\n\nTraining after the teacher, which all rows share: processor seconds, and "
                + "seconds on the clock with other work beside it; a\nvideo: processor seconds. One thread, means of "
                + "the seeds.\n\n"
        );
        Row(["row", "stages", "samples", "processor s", "clock s", "s/video", "measuring, s/video"]);
        Row(["---", "---", "---", "---", "---", "---", "---"]);
        foreach (var (name, cost) in report.Rows.Where(r => r.Name != Scoring.RealRow).Select(r => (r.Name, r.Cost)))
            Row([
                name,
                string.Join("; ", cost.Stages),
                $"{cost.Samples:#,0}",
                $"{cost.TrainProcessor:#,0}",
                $"{cost.TrainSeconds:#,0}",
                $"{cost.VideoSeconds:0.00}",
                $"{cost.MeasureSeconds:0.00}",
            ]);
    }

    private void Row(IEnumerable<string> cells) => text.Append($"| {string.Join(" | ", cells)} |\n");

    private void Picture(string name, string path, bool title = false)
    {
        if (File.Exists(path))
            text.Append($"{(title ? $"\n{name}:\n" : "")}\n![{name}]({Path.GetFileName(path)})\n");
    }

    private static string Link(string file, string page) =>
        Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(page))!, Path.GetFullPath(file)).Replace('\\', '/');

    private static string Cell(Estimate e, bool signed)
    {
        var spread = e.Seeds is { Count: > 1 } seeds ? $" ± {F(Deviation(seeds), false)}" : "";
        var body =
            e.Low == e.High ? F(e.Mean, signed) : $"{F(e.Mean, signed)} [{F(e.Low, signed)}, {F(e.High, signed)}]";
        return (signed && e.Low * e.High > 0 ? $"**{body}**" : body) + spread;
    }

    private static double Deviation(IReadOnlyList<double> seeds)
    {
        var mean = seeds.Average();
        return Math.Sqrt(seeds.Sum(s => (s - mean) * (s - mean)) / (seeds.Count - 1));
    }

    private static string F(double v, bool signed)
    {
        var text = v.ToString(
            Math.Abs(v) switch
            {
                >= 100 => "0",
                >= 10 => "0.0",
                >= 1 => "0.00",
                _ => "0.000",
            },
            CultureInfo.InvariantCulture
        );
        if (text.Trim('-', '0', '.').Length == 0)
            return text.TrimStart('-'); // no -0.000
        return signed && v > 0 ? "+" + text : text;
    }
}
