using System.Globalization;
using System.Text.Json;
using LongTake.Training;

namespace LongTake.Evaluation;

/// <summary>From measured videos to the report.</summary>
public static class Scoring
{
    public const string RealRow = "real takes (autoencoded)";

    /// <summary>
    /// The report of all rows whose videos are there; <paramref name="why"/> says of the others what was in the way.
    /// </summary>
    public static ComparisonReport Report(
        ComparisonTable table,
        ComparisonPlan plan,
        double scale,
        double? budget,
        Func<VideoJob, string> why
    )
    {
        if (!plan.Reference.Done || !plan.Real.Done)
            throw new UserException(
                $"no videos can be compared: the real takes are not measured "
                    + $"({why(plan.Reference.Done ? plan.Real : plan.Reference)})"
            );
        var real = new RealTakes(Read(plan.Reference));
        var missing = plan
            .Rows.Where(r => !r.Seeds.All(s => s.Done))
            .ToDictionary(r => r.Row.Name, r => why(r.Seeds.First(s => !s.Done)));
        var resampling = new Resampling(table.Videos);
        List<(string Name, IReadOnlyList<VideoJob> Jobs, bool Chart)> whole =
        [
            (RealRow, [plan.Real], true),
            .. plan.Rows.Where(r => !missing.ContainsKey(r.Row.Name)).Select(r => (r.Row.Name, r.Seeds, r.Row.Chart)),
        ];
        var reference = whole.FirstOrDefault(r => r.Name == table.Reference) is { Jobs: not null } named
            ? Drawn([.. named.Jobs.Select(Read)], real, resampling)
            : null;
        return new()
        {
            Build = OneBuild(plan, [plan.Reference, .. whole.SelectMany(r => r.Jobs)]),
            About = table.About,
            Set = table.Set,
            Videos = table.Videos,
            Seconds = table.Seconds,
            Reference = table.Reference,
            Scale = scale,
            BudgetMinutes = budget,
            Primary = table.Primary,
            Best = Metric.All.ToDictionary(m => m.Name, m => m.Ideal),
            Missing = missing,
            Rows =
            [
                .. whole.Select(r =>
                    Row(r, table.Primary, real, resampling, r.Name == table.Reference ? null : reference)
                ),
            ],
        };
    }

    private static string OneBuild(ComparisonPlan plan, IReadOnlyList<VideoJob> videos)
    {
        var jobs = videos.SelectMany(v => ComparisonPlan.Stages(v.Trained).Cast<Job>().Append(v)).ToList();
        if (plan.Judge is not null)
            jobs.AddRange(ComparisonPlan.Stages(plan.Judge));
        var builds = jobs.Select(j => (Hash: Build.Of(j.Folder), j.Folder)).DistinctBy(b => b.Hash).ToList();
        return builds.Count == 1
            ? builds[0].Hash
            : throw new UserException(
                "made by several builds, which one table must not mix: "
                    + string.Join(", ", builds.Select(b => $"{(b.Hash.Length > 0 ? b.Hash : "unknown")} ({b.Folder})"))
            );
    }

    private static VideoMeasure[] Read(VideoJob job) => [.. Enumerable.Range(0, job.Videos).Select(n => Video(job, n))];

    internal static VideoMeasure Video(VideoJob job, int n)
    {
        using var stream = File.OpenRead(job.File(n));
        try
        {
            return JsonSerializer.Deserialize(stream, ComparisonJson.Default.VideoMeasure)!;
        }
        catch (JsonException e)
        {
            throw new UserException(
                $"{job.File(n)}: not a measured video ({e.Message}); remove it and run again",
                inner: e
            );
        }
    }

    private static Dictionary<string, Resampling.Drawn> Drawn(
        VideoMeasure[][] videos,
        RealTakes real,
        Resampling resampling
    ) =>
        Metric
            .All.Where(m => m.Distance is null || videos[0][0].Random.Length > 0)
            .Select(metric =>
                (
                    metric.Name,
                    Drawn: metric.Distance is { } space
                        ? resampling.Distance(
                            [.. videos.Select(seed => seed.Select(space(real).Moments).ToArray())],
                            space(real)
                        )
                        : resampling.Mean(Each(videos, video => real.Value(metric, video)))
                )
            )
            .Where(m => double.IsFinite(m.Drawn.Value))
            .ToDictionary(m => m.Name, m => m.Drawn);

    // Of a metric whose best value is 1, which of two rows is nearer to it: more is not better, nor is less.
    private static Resampling.Drawn Difference(string metric, Resampling.Drawn row, Resampling.Drawn reference) =>
        Metric.Named(metric) is { Best: Best.One } one
            ? row.Select(one.Error).Less(reference.Select(one.Error))
            : row.Less(reference);

    private static Dictionary<string, EndPoint> Tests(
        IReadOnlyList<string> primary,
        Dictionary<string, Resampling.Drawn> differences
    )
    {
        string[] names = [.. primary.Where(differences.ContainsKey)];
        double[] p = [.. names.Select(name => differences[name].P())];
        var holm = Resampling.Holm(p);
        return names
            .Index()
            .ToDictionary(n => n.Item, n => new EndPoint(differences[n.Item].Estimate(), p[n.Index], holm[n.Index]));
    }

    private static ReportRow Row(
        (string Name, IReadOnlyList<VideoJob> Jobs, bool Chart) row,
        IReadOnlyList<string> primary,
        RealTakes real,
        Resampling resampling,
        Dictionary<string, Resampling.Drawn>? reference
    )
    {
        var jobs = row.Jobs;
        VideoMeasure[][] videos = [.. jobs.Select(Read)];
        var drawn = Drawn(videos, real, resampling);
        var differences = drawn
            .Where(d => reference?.ContainsKey(d.Key) == true)
            .ToDictionary(d => d.Key, d => Difference(d.Key, d.Value, reference![d.Key]));
        var curves = Metric
            .All.Select(m => (m.Name, Curve: Each(videos, video => real.Curve(m, video))))
            .Where(c => c.Curve.All(seed => seed.All(curve => curve is not null)))
            .ToDictionary(c => c.Name, c => (double?[][][])c.Curve!);
        return new()
        {
            Name = row.Name,
            Videos = videos.Sum(f => f.Length),
            Chart = row.Chart,
            Origins =
            [
                .. jobs.Select(j => new Origin(
                    j.Seed,
                    j.Trained?.Id ?? "",
                    j.Id,
                    j.Trained is null ? "" : Weights(j.Trained)
                )),
            ],
            Metrics = drawn.ToDictionary(d => d.Key, d => d.Value.Estimate()),
            Differences = differences.ToDictionary(d => d.Key, d => d.Value.Estimate()),
            Primary = Tests(primary, differences),
            Curves = curves.ToDictionary(c => c.Key, c => Curve(c.Value, resampling)),
            Lens = curves.ContainsKey(Metric.Lens) ? Lens(curves, resampling) : null,
            Cost = Cost(jobs, videos),
            Values = drawn
                .Keys.Select(Metric.Named)
                .Where(m => m.Distance is null)
                .ToDictionary(m => m.Name, m => Each(videos, v => Rounded(real.Value(m, v)))),
            Draws = drawn
                .Where(d => Metric.Named(d.Key).Distance is not null)
                .ToDictionary(d => d.Key, d => Array.ConvertAll(d.Value.Draws, v => Rounded(v))),
        };
    }

    // Seven digits: enough to find every printed one again, in a third of the bytes.
    private static double? Rounded(double? value) =>
        value is { } v && double.IsFinite(v)
            ? double.Parse(v.ToString("G7", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
            : null;

    private static T[][] Each<T>(VideoMeasure[][] videos, Func<VideoMeasure, T> of) =>
        [.. videos.Select(seed => seed.Select(of).ToArray())];

    private static Curve Curve(double?[][][] curves, Resampling resampling)
    {
        var few = new Resampling(curves[0].Length, 200);
        var at = Enumerable
            .Range(0, curves.Min(seed => seed.Min(curve => curve.Length)))
            .Select(s => few.Mean([.. curves.Select(seed => seed.Select(curve => curve[s]).ToArray())]).Estimate())
            .Select(e => double.IsFinite(e.Mean) ? e : null)
            .ToList();
        var slope = resampling.Mean([.. curves.Select(seed => seed.Select(Ranks.Slope).ToArray())]);
        return new(
            [.. at.Select(e => e?.Mean)],
            [.. at.Select(e => e?.Low)],
            [.. at.Select(e => e?.High)],
            double.IsFinite(slope.Value) ? slope.Estimate() : null
        );
    }

    private static Dictionary<string, LensAgreement> Lens(
        Dictionary<string, double?[][][]> curves,
        Resampling resampling
    ) =>
        curves
            .Keys.Where(name => name != Metric.Lens)
            .ToDictionary(name => name, name => Lens(name, curves, resampling));

    private static LensAgreement Lens(string name, Dictionary<string, double?[][][]> curves, Resampling resampling)
    {
        var (metric, lens) = (Metric.Named(name), curves[Metric.Lens]);
        // By seed and video: the lens and the error in each second that has both.
        var pairs = curves[name]
            .Select(
                (seed, i) =>
                    seed.Select(
                            (curve, n) =>
                                curve
                                    .Zip(lens[i][n])
                                    .Where(p => p.First is not null && p.Second is not null)
                                    .Select(p => (Lens: p.Second!.Value, Error: metric.Error(p.First!.Value)))
                                    .ToList()
                        )
                        .ToArray()
            )
            .ToArray();
        var within = resampling.Mean([
            .. pairs.Select(seed =>
                seed.Select(p => Ranks.Spearman([.. p.Select(x => x.Lens)], [.. p.Select(x => x.Error)])).ToArray()
            ),
        ]);
        var means = pairs
            .SelectMany(seed => seed)
            .Where(p => p.Count > 0)
            .Select(p => (Lens: p.Average(x => x.Lens), Error: p.Average(x => x.Error)))
            .ToList();
        return new(
            double.IsFinite(within.Value) ? within.Estimate() : null,
            Ranks.Spearman([.. means.Select(m => m.Lens)], [.. means.Select(m => m.Error)])
        );
    }

    private static Spent Cost(IReadOnlyList<VideoJob> jobs, VideoMeasure[][] videos)
    {
        var all = videos.SelectMany(f => f).ToList();
        var trained = jobs.Select(j =>
                ComparisonPlan.Stages(j.Trained).Where(s => !ComparisonPlan.IsGiven(s.Stage)).ToList()
            )
            .ToList();
        return new(
            trained.Average(c => (double)c.Sum(s => s.Last?.Samples ?? 0)),
            Math.Round(trained.Average(c => c.Sum(s => s.Processor)), 1),
            Math.Round(trained.Average(c => c.Sum(s => s.Last?.Seconds ?? 0)), 1),
            Math.Round(all.Average(f => f.MadeSeconds), 3),
            Math.Round(all.Average(f => f.MeasuredSeconds), 3),
            [.. trained[0].Select(s => $"{s.Stage.Folder}: {s.Stage.Loop.Steps} steps, {s.Last?.Samples ?? 0} samples")]
        );
    }

    /// <summary>Hash of what a stage trained.</summary>
    private static string Weights(StageJob stage)
    {
        var model = Models.ModelFolder.Open(stage.Model);
        return
            (
                (string[])[Models.ModelFolder.Student, Models.ModelFolder.Transformer, Models.ModelFolder.Teacher]
            ).FirstOrDefault(model.Has)
                is { } part
            ? model.Hash(part)
            : "";
    }
}
