using System.Globalization;
using System.Text;
using System.Text.Json;
using LongTake.Video;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// What is written of a report: JSON, pictures, and its part of a Markdown page, made of the JSON alone.
/// </summary>
public static class ComparisonPage
{
    private static readonly string[] localColumns =
        ["FDt", "FDr", "far", "gaitL", "scroll", "gamp", "sharp", "motion", "flick", "seam"],
        longColumns =

        [
            "story",
            "arc",
            "mono",
            "biome",
            "lm_rec",
            "lm_same",
            "lm_acc",
            "gaitG",
            "coat_acc",
            "hat_acc",
            "coat_drift",
            "neck_drift",
            "repeat",
        ];

    /// <summary>Writes PREFIX.json, the pictures and the contact sheets; then the page.</summary>
    public static void Write(ComparisonReport report, ComparisonTable table, ComparisonPlan plan, string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(table.Report))!);
        AtomicFile.Write(table.Report + ".json", s =>
            s.Write(JsonSerializer.SerializeToUtf8Bytes(report, ComparisonJson.Default.ComparisonReport))
        );
        foreach (
            var (name, job) in plan
                .Rows.Select(r => (r.Row.Name, r.Seeds[0]))
                .Prepend((Scoring.RealRow, plan.Real))
                .Where(r => r.Item2.Done)
        )
            Sheet(SheetFile(table, name), job);
        Renew(table, path);
    }

    /// <summary>Draws the charts and renews the table's part of the page, out of the JSON that lies there.</summary>
    public static void Renew(ComparisonTable table, string path)
    {
        if (!File.Exists(table.Report + ".json"))
            throw new UserException($"{table.Report}.json: not there yet; 'longtake reproduce {path}' makes it");
        ComparisonReport report;
        using (var stream = File.OpenRead(table.Report + ".json"))
            try
            {
                report = JsonSerializer.Deserialize(stream, ComparisonJson.Default.ComparisonReport)!;
            }
            catch (JsonException e)
            {
                throw new UserException(
                    $"{table.Report}.json: not a report of this version ({e.Message}); make it again with "
                        + $"'longtake reproduce {path}'",
                    inner: e
                );
            }
        Put("-drift.svg", Charts.Drift(report));
        Put("-bars.svg", Charts.Bars(report));
        if (Charts.TradeOff(report) is { } tradeOff)
            Put("-tradeoff.svg", tradeOff);
        var name = Path.GetFileName(table.Report);
        var (begin, end) = ($"<!-- {name}: made by 'longtake reproduce', do not edit -->", $"<!-- {name}: end -->");
        var block = $"{begin}\n\n{Markdown(report, table, path)}\n{end}";
        var page = File.Exists(table.Page) ? File.ReadAllText(table.Page) : "# Results\n";
        var (from, to) = (page.IndexOf(begin, StringComparison.Ordinal), page.IndexOf(end, StringComparison.Ordinal));
        page =
            from >= 0 && to > from
                ? page[..from] + block + page[(to + end.Length)..]
                : page.TrimEnd() + "\n\n" + block + "\n";
        AtomicFile.Write(table.Page, s => s.Write(Encoding.UTF8.GetBytes(page)));

        void Put(string end, string svg) =>
            AtomicFile.Write(table.Report + end, s => s.Write(Encoding.UTF8.GetBytes(svg)));
    }

    private static string SheetFile(ComparisonTable table, string row) =>
        $"{table.Report}-{ComparisonPlan.Slug(row)}.png";

    private static void Sheet(string path, VideoJob job)
    {
        var videos = Enumerable
            .Range(0, Math.Min(job.Videos, 42))
            .Where(n => n % 7 == 0)
            .Select(n =>
            {
                using var stream = File.OpenRead(job.File(n));
                return JsonSerializer.Deserialize(stream, ComparisonJson.Default.VideoMeasure)!.Frames;
            });
        List<byte[]> frames = [.. videos.SelectMany(f => f.Chunk(Traveller.FrameBytes))];
        if (frames.Count > 0)
            ContactSheet.Write(path, frames, Traveller.Side, Traveller.Side, 16, upscale: 3);
    }

    private static string Markdown(ComparisonReport r, ComparisonTable table, string path)
    {
        var text = new StringBuilder();
        string Link(string file) =>
            Path.GetRelativePath(Path.GetDirectoryName(Path.GetFullPath(table.Page))!, Path.GetFullPath(file))
                .Replace('\\', '/');
        text.Append(
            $"## {r.About}\n\n```\nlongtake reproduce "
                + $"{path.Replace('\\', '/')}{(r.BudgetMinutes is { } m ? $" --budget {m:0.##}" : "")}\n```\n\n"
        );
        text.Append(
            $"{r.Videos} videos of {r.Seconds:0.#} s a row and training seed, captions and seeds of the "
                + $"`{r.Set}` set, the same in every row. In brackets 95 % bootstrap intervals over videos and,\n"
                + "where a row has several, training seeds; `±` is the standard std between training seeds.\n"
        );
        if (r.Scale < 1)
            text.Append(
                $"\n**Scaled down:** a budget of {r.BudgetMinutes:0.##} minutes; the steps of every stage are "
                    + $"multiplied by {r.Scale:g2}. These are not the numbers of the whole table.\n"
            );
        foreach (var (name, why) in r.Missing)
            text.Append($"\n**Not made:** {name}. {why.TrimEnd('.')}.\n");
        Table("What a few seconds look like", localColumns, row => row.Metrics);
        Table("What the minute tells", longColumns, row => row.Metrics);
        text.Append("\n| column | what | best |\n|---|---|---|\n");
        foreach (var (name, what, _) in Metric.Distances)
            text.Append($"| {name} | {what}; the row of real takes is its floor | low |\n");
        foreach (
            var c in localColumns
                .Concat(longColumns)
                .Select(n => Metric.All.FirstOrDefault(x => x.Name == n))
                .OfType<Metric>()
        )
            text.Append(
                $"| {c.Name} | {c.What} | {c.Aim switch { Aim.Low => "low", Aim.High => "high", _ => "1" }} |\n"
            );
        text.Append($"\n![Measures]({Link(table.Report + "-bars.svg")})\n");
        if (File.Exists(table.Report + "-tradeoff.svg"))
            text.Append($"\n![Trade-off]({Link(table.Report + "-tradeoff.svg")})\n");
        text.Append(
            $"\n### Against {r.Reference}\n\nThe row less {r.Reference}, paired by caption, video seed and "
                + $"training seed. **Bold**: the interval excludes 0.\n"
        );
        Table("", [.. localColumns, .. longColumns], row => row.Differences, signed: true);
        text.Append(
            $"\n### Drift\n\n![Drift]({Link(table.Report + "-drift.svg")})\n\nSlope over the minute of each "
                + $"curve, per minute, mean of the videos' own slopes. **Bold**: the interval excludes 0.\n"
        );
        Table(
            "",
            [.. Metric.Curves.Select(c => c.Name)],
            row => row.Curves.Where(c => c.Value.Slope is not null).ToDictionary(c => c.Key, c => c.Value.Slope!),
            signed: true
        );
        Lens(text, r);
        Budget(text, r);
        text.Append(
            "\n### Videos\n\nFrom the left the first to the last second; a caption a line, the same in every "
                + "picture; the first training seed.\n"
        );
        foreach (var row in r.Rows.Where(row => File.Exists(SheetFile(table, row.Name))))
            text.Append($"\n{row.Name}:\n\n![{row.Name}]({Link(SheetFile(table, row.Name))})\n");
        text.Append(
            $"\nEvery number, its seeds and the hashes of the settings and weights behind it: "
                + $"[{Path.GetFileName(table.Report)}.json]({Link(table.Report + ".json")}).\n"
        );
        return text.ToString();

        void Table(
            string title,
            IReadOnlyList<string> columns,
            Func<ReportRow, IReadOnlyDictionary<string, Estimate>> of,
            bool signed = false
        )
        {
            var rows = r.Rows.Where(row => of(row).Count > 0).ToList();
            List<string> there = [.. columns.Where(c => rows.Any(row => of(row).ContainsKey(c)))];
            if (rows.Count == 0)
                return;
            if (title.Length > 0)
                text.Append($"\n### {title}\n");
            text.Append(
                $"\n| row | videos | {string.Join(" | ", there)} "
                    + $"|\n|---|---|{string.Concat(there.Select(_ => "---|"))}\n"
            );
            foreach (var row in rows)
                text.Append(
                    $"| {row.Name} | {row.Videos} | "
                        + $"{string.Join(" | ", there.Select(c => of(row).TryGetValue(c, out var e) ? Cell(e, signed) : ""))} "
                        + $"|\n"
                );
        }
    }

    private static void Lens(StringBuilder text, ComparisonReport r)
    {
        var rows = r.Rows.Where(row => row.Lens is not null).ToList();
        if (rows.Count == 0)
            return;
        text.Append(
            "\n### The drift lens\n\nDo the two heads disagree where the video is wrong? Rank correlation "
                + "(Spearman) of |v_fm - v_dm| / |v_fm| on the student's own video, noised to levels "
                + $"{string.Join(", ", DriftLens.Levels)}, with the errors of the same second: mean over videos "
                + $"of the correlation within a video, its interval, and, after the stroke, the correlation over "
                + $"videos.\n\n"
        );
        text.Append(
            $"| row | {string.Join(" | ", Metric.Errors.Select(e => e.Name))} "
                + $"|\n|---|{string.Concat(Metric.Errors.Select(_ => "---|"))}\n"
        );
        foreach (var row in rows)
            text.Append(
                $"| {row.Name} | {string.Join(" | ", Metric.Errors.Select(e => row.Lens!.TryGetValue(e.Name, out var a)
                ? $"{(a.WithinVideos is { } w ? Cell(w with { Seeds = null }, true) : "n/a")} / {(a.AcrossVideos is { } f ? F(f, true) : "n/a")}" : ""))} |\n"
            );
    }

    private static void Budget(StringBuilder text, ComparisonReport r)
    {
        text.Append(
            "\n### What each row cost\n\nTraining after the teacher, which all rows share: processor "
                + "seconds, and seconds on the clock with other work beside it; a video: processor seconds. One "
                + "thread, means of the seeds.\n\n| row | stages | samples | processor s | clock s | s/video | "
                + "measuring, s/video |\n|---|---|---|---|---|---|---|\n"
        );
        foreach (var row in r.Rows.Where(x => x.Name != Scoring.RealRow))
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {row.Name} | {string.Join("; ", row.Cost.Stages)} | {row.Cost.Samples:#,0} | "
                    + $"{row.Cost.TrainProcessor:#,0} | {row.Cost.TrainSeconds:#,0} | {row.Cost.VideoSeconds:0.00} | "
                    + $"{row.Cost.MeasureSeconds:0.00} |\n"
            );
    }

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
