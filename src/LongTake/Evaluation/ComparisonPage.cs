using System.Text;
using System.Text.Json;
using LongTake.Video;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// What is written of a report: the JSON, and out of it alone charts, a page with every metric, and a short table
/// within a page that somebody writes.
/// </summary>
public static class ComparisonPage
{
    /// <summary>Writes the report as JSON, contact sheets, charts and pages.</summary>
    /// <param name="command">The command that makes the report, for the pages.</param>
    public static void Write(ComparisonReport report, ComparisonTable table, ComparisonPlan plan, string command)
    {
        AtomicFile.WriteJson(table.Report + ".json", report, ComparisonJson.Default.ComparisonReport);
        foreach (
            var (name, job) in plan
                .Rows.Select(r => (r.Row.Name, r.Seeds[0]))
                .Prepend((Scoring.RealRow, plan.Real))
                .Where(r => r.Item2.Done)
        )
            Sheet(SheetFile(table, name), job);
        Renew(table, command);
    }

    /// <summary>Draws the charts and renews the pages, out of the JSON that lies there.</summary>
    public static void Renew(ComparisonTable table, string command)
    {
        if (!File.Exists(table.Report + ".json"))
            throw new UserException($"{table.Report}.json: not there yet; '{command}' makes it");
        ComparisonReport report;
        using (var stream = File.OpenRead(table.Report + ".json"))
            try
            {
                report = JsonSerializer.Deserialize(stream, ComparisonJson.Default.ComparisonReport)!;
            }
            catch (JsonException e)
            {
                throw new UserException(
                    $"{table.Report}.json: not a report of this version ({e.Message}); make it again with '{command}'",
                    inner: e
                );
            }
        Put("-drift.png", Charts.Drift(report));
        Put("-bars.png", Charts.Bars(report));
        if (Charts.TradeOff(report) is { } tradeOff)
            Put("-tradeoff.png", tradeOff);
        Put(".md", Encoding.UTF8.GetBytes(new ComparisonText(report, table).Page(command)));
        if (table.Page.Length > 0)
            RenewPart(report, table);

        void Put(string end, byte[] content) => AtomicFile.Write(table.Report + end, s => s.Write(content));
    }

    /// <summary>The headline metrics as a Markdown table.</summary>
    public static string Summary(ComparisonReport report, ComparisonTable table) =>
        new ComparisonText(report, table).Short();

    // What stands around the two marks is somebody's own and stays.
    private static void RenewPart(ComparisonReport report, ComparisonTable table)
    {
        var name = Path.GetFileName(table.Report);
        var (begin, end) = ($"<!-- {name}: made by 'longtake reproduce', do not edit -->", $"<!-- {name}: end -->");
        var part = $"{begin}\n\n{Summary(report, table)}\n{end}";
        var page = File.Exists(table.Page) ? File.ReadAllText(table.Page) : "# Results\n";
        var (from, to) = (page.IndexOf(begin, StringComparison.Ordinal), page.IndexOf(end, StringComparison.Ordinal));
        page =
            from >= 0 && to > from
                ? page[..from] + part + page[(to + end.Length)..]
                : page.TrimEnd() + "\n\n" + part + "\n";
        AtomicFile.Write(table.Page, s => s.Write(Encoding.UTF8.GetBytes(page)));
    }

    /// <summary>The contact sheet of a row.</summary>
    public static string SheetFile(ComparisonTable table, string row) => $"{table.Report}-{Fingerprint.Slug(row)}.png";

    private static void Sheet(string path, VideoJob job)
    {
        var videos = Enumerable
            .Range(0, Math.Min(job.Videos, 42))
            .Where(n => n % 7 == 0)
            .Select(n => Scoring.Video(job, n).Frames);
        List<byte[]> frames = [.. videos.Where(f => f.Length > 0).SelectMany(f => f.Chunk(f.Length / 16))];
        if (frames.Count == 0)
            return;
        var side = (int)Math.Sqrt(frames[0].Length / 3);
        ContactSheet.Write(path, frames, side, side, 16, upscale: 96 / side);
    }
}
