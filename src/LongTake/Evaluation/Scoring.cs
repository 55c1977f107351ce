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
        var units = new RealUnits(Read(plan.Reference));
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
            ? Drawn(named.Jobs, units, resampling)
            : null;
        return new()
        {
            About = table.About,
            Set = table.Set,
            Videos = table.Videos,
            Seconds = table.Seconds,
            Reference = table.Reference,
            Scale = scale,
            BudgetMinutes = budget,
            Missing = missing,
            Rows =
            [
                .. whole.Select(r =>
                    Row(r.Name, r.Jobs, r.Chart, units, resampling, r.Name == table.Reference ? null : reference)
                ),
            ],
        };
    }

    private static VideoMeasure[] Read(VideoJob job) =>
        [
            .. Enumerable
                .Range(0, job.Videos)
                .Select(n =>
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
                }),
        ];

    private static Dictionary<string, Resampling.Drawn> Drawn(
        IReadOnlyList<VideoJob> jobs,
        RealUnits units,
        Resampling resampling
    ) => Drawn([.. jobs.Select(Read)], units, resampling);

    private static Dictionary<string, Resampling.Drawn> Drawn(
        VideoMeasure[][] videos,
        RealUnits units,
        Resampling resampling
    )
    {
        var drawn = Metric
            .Distances.Where(_ => videos[0][0].Random.Length > 0)
            .ToDictionary(
                d => d.Name,
                d =>
                    resampling.Distance(
                        [.. videos.Select(seed => seed.Select(d.Space(units).Moments).ToArray())],
                        d.Space(units)
                    )
            );
        foreach (var metric in Metric.All)
            drawn[metric.Name] = resampling.Mean([
                .. videos.Select(seed => seed.Select(f => metric.Of(f, units)).ToArray()),
            ]);
        return drawn.Where(d => double.IsFinite(d.Value.Value)).ToDictionary();
    }

    private static ReportRow Row(
        string name,
        IReadOnlyList<VideoJob> jobs,
        bool chart,
        RealUnits units,
        Resampling resampling,
        Dictionary<string, Resampling.Drawn>? reference
    )
    {
        VideoMeasure[][] videos = [.. jobs.Select(Read)];
        var drawn = Drawn(videos, units, resampling);
        IReadOnlyDictionary<string, double?[]>[][] curves =
        [
            .. videos.Select(seed =>
                seed.Select(f => (IReadOnlyDictionary<string, double?[]>)units.Curves(f)).ToArray()
            ),
        ];
        var few = new Resampling(videos[0].Length, 200);
        return new()
        {
            Name = name,
            Videos = videos.Sum(f => f.Length),
            Chart = chart,
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
            Differences = reference is null
                ? new Dictionary<string, Estimate>()
                : drawn
                    .Where(d => reference.ContainsKey(d.Key))
                    .ToDictionary(d => d.Key, d => d.Value.Less(reference[d.Key]).Estimate()),
            Curves = Metric
                .Curves.Where(c => curves.All(s => s.All(f => f.ContainsKey(c.Name))))
                .ToDictionary(c => c.Name, c => Curve(c.Name, curves, few, resampling)),
            Lens = curves.All(s => s.All(f => f.ContainsKey("lens"))) ? Lens(curves, resampling) : null,
            Cost = Cost(jobs, videos),
        };
    }

    private static Curve Curve(
        string name,
        IReadOnlyDictionary<string, double?[]>[][] curves,
        Resampling few,
        Resampling many
    )
    {
        var at = Enumerable
            .Range(0, curves.Min(s => s.Min(f => f[name].Length)))
            .Select(second =>
                few.Mean([.. curves.Select(seed => seed.Select(f => f[name][second]).ToArray())]).Estimate()
            )
            .Select(e => double.IsFinite(e.Mean) ? e : null)
            .ToList();
        var slope = many.Mean([.. curves.Select(seed => seed.Select(f => Ranks.Slope(f[name])).ToArray())]);
        return new(
            [.. at.Select(e => e?.Mean)],
            [.. at.Select(e => e?.Low)],
            [.. at.Select(e => e?.High)],
            double.IsFinite(slope.Value) ? slope.Estimate() : null
        );
    }

    private static Dictionary<string, LensAgreement> Lens(
        IReadOnlyDictionary<string, double?[]>[][] curves,
        Resampling resampling
    ) =>
        Metric.Errors.ToDictionary(
            e => e.Name,
            error =>
            {
                (double Lens, double Error)[] Pairs(IReadOnlyDictionary<string, double?[]> video) =>
                    [
                        .. Enumerable
                            .Range(0, Math.Min(video["lens"].Length, video["arc"].Length))
                            .Select(s => (Lens: video["lens"][s], Error: error.Of(video, s)))
                            .Where(p => p.Lens is not null && p.Error is not null)
                            .Select(p => (p.Lens!.Value, p.Error!.Value)),
                    ];
                var within = resampling.Mean([
                    .. curves.Select(seed =>
                        seed.Select(f =>
                                Pairs(f) is var p
                                    ? Ranks.Spearman([.. p.Select(x => x.Lens)], [.. p.Select(x => x.Error)])
                                    : null
                            )
                            .ToArray()
                    ),
                ]);
                var means = curves
                    .SelectMany(s => s)
                    .Select(Pairs)
                    .Where(p => p.Length > 0)
                    .Select(p => (Lens: p.Average(x => x.Lens), Error: p.Average(x => x.Error)))
                    .ToList();
                return new LensAgreement(
                    double.IsFinite(within.Value) ? within.Estimate() : null,
                    Ranks.Spearman([.. means.Select(m => m.Lens)], [.. means.Select(m => m.Error)])
                );
            }
        );

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
