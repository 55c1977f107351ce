using LongTake.Data;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>One row of the table: a model folder and how it is asked for videos.</summary>
public sealed record EvaluationRow(string Name, string Model, VideoRequest Request);

/// <summary>Mean and 95 % bootstrap interval of a metric over videos; Count of videos that have it.</summary>
public sealed record Measured(double Mean, double Low, double High, int Count);

/// <summary>The scores of a row.</summary>
public sealed record EvaluationResult(
    string Name,
    int Videos,
    double SecondsPerVideo,
    IReadOnlyDictionary<string, Measured> Metrics,
    IReadOnlyList<WorldScore> Scores
);

/// <summary>
/// Videos of the Traveller world against its rules. Captions and seeds are a function of the set: "tune" may be looked at
/// while settings are chosen, "final" is for the table in the documents.
/// </summary>
public static class WorldEvaluation
{
    private static readonly (string Name, Func<WorldScore, double?> Of)[] metrics =
    [
        ("arc", s => s.arc),
        ("mono", s => s.mono),
        ("biome", s => s.biome),
        ("lm_rec", s => s.lm_rec),
        ("lm_fa", s => s.lm_fa),
        ("lm_same", s => s.lm_same),
        ("lm_acc", s => s.lm_acc),
        ("coat_acc", s => s.coat_acc),
        ("hat_acc", s => s.hat_acc),
        ("coat_drift", s => s.coat_drift),
        ("neck_drift", s => s.neck_drift),
        ("gaitL", s => s.gaitL),
        ("gaitG", s => s.gaitG),
        ("gaitF", s => s.gaitF),
        ("legs", s => s.legs),
        ("scroll", s => s.scroll),
        ("gamp", s => s.gamp),
        ("sharp", s => s.sharp),
        ("flick", s => s.flick),
    ];

    /// <summary>Names of the metrics, in order; "FDr" follows them.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. metrics.Select(m => m.Name), "FDr"];

    /// <summary>
    /// Caption and seed of video number n of a set: all 24 coats and hats in turn; lighthouse colours of the two sets
    /// never coincide.
    /// </summary>
    public static (int Coat, int Hat, int Landmark, long Seed) Case(string set, int n)
    {
        var (coat, hat) = (n % 24 / 4, n % 4);
        return set == "final"
            ? (coat, hat, (coat + hat + 1 + n / 24 % 2) % 3, 900_000 + n)
            : (coat, hat, (coat + hat) % 3, 100_000 + n);
    }

    /// <summary>What real takes give after the autoencoder, and the units the rows are measured in.</summary>
    public sealed class Reference
    {
        private readonly double[][] windows;
        private readonly RandomFeatures features;
        private readonly int frames;

        public Reference(VideoGenerator model, string set, int videos)
        {
            var takes = Enumerable.Range(0, videos).Select(n => Take(model, set, n)).ToList();
            (Stride, frames) = (WorldData.Stride(model.Config.Fps), (int)(5 * model.Config.Fps));
            Real = WorldMetrics.Real(takes.Select(t => t.Frames), Stride);
            // Fitted on takes of their own, so that the real row below is not favoured.
            features = RandomFeatures.Fit(
                Enumerable.Range(0, 12).SelectMany(n => RandomFeatures.Windows(Take(model, "fit", n).Frames, frames))
            );
            windows =
            [
                .. Enumerable
                    .Range(0, 24)
                    .SelectMany(n => RandomFeatures.Windows(Take(model, "reference", n).Frames, frames))
                    .Select(features.Of),
            ];
            Row = Result("real takes (autoencoded)", takes.Select(t => (t.Frames, t.Truth)).ToList(), this, 0);
        }

        /// <summary>World frames from one frame of a video to the next.</summary>
        public int Stride { get; }
        public WorldReal Real { get; }
        public EvaluationResult Row { get; }

        /// <summary>Frechet distance of videos' 5-s windows to real ones, % of the real variance.</summary>
        public double Distance(IEnumerable<byte[]> videos) =>
            Frechet.Percent(
                windows,
                [.. videos.SelectMany(f => RandomFeatures.Windows(f, frames)).Select(features.Of)]
            );

        private static (byte[] Frames, WorldTruth Truth) Take(VideoGenerator model, string set, int n)
        {
            var (coat, hat, landmark, seed) = Case(set, n);
            var take = TravellerTake.Long(new Rng(seed, set.Length), coat, hat) with { LandmarkColour = landmark };
            var c = model.Config;
            return (
                model.Through(Traveller.Video(take, 0, c.Frames(c.VideoLatents), WorldData.Stride(c.Fps))),
                WorldTruth.Of(take)
            );
        }
    }

    /// <summary>Makes and measures the videos of a row; some are handed to <paramref name="show"/>.</summary>
    public static EvaluationResult Run(
        VideoGenerator model,
        EvaluationRow row,
        string set,
        int videos,
        double seconds,
        Reference reference,
        IProgress<ProgressReport>? progress,
        Action<int, byte[]>? show,
        CancellationToken cancel
    )
    {
        var made = new List<(byte[], WorldTruth)>();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (var n = 0; n < videos; n++)
        {
            using var scope = torch.NewDisposeScope();
            var (coat, hat, landmark, seed) = Case(set, n);
            var request = row.Request with
            {
                Prompt = Captions.Describe(coat, hat, landmark),
                Seed = seed,
                Seconds = seconds,
            };
            var rgb = model.DecodeWhole(model.Sample(request, cancel: cancel));
            made.Add((rgb, new WorldTruth(coat, hat, landmark)));
            show?.Invoke(n, rgb);
            progress?.Report(new ProgressReport(n + 1, videos, "videos", row.Name));
        }
        return Result(row.Name, made, reference, clock.Elapsed.TotalSeconds / videos);
    }

    private static EvaluationResult Result(
        string name,
        List<(byte[] Frames, WorldTruth Truth)> videos,
        Reference reference,
        double seconds
    )
    {
        var scores = videos
            .Select(f => WorldMetrics.Measure(f.Frames, reference.Stride, f.Truth, reference.Real))
            .ToList();
        var table = new Dictionary<string, Measured>();
        foreach (var (metric, of) in metrics)
        {
            double[] values = [.. scores.Select(of).OfType<double>()];
            if (values.Length == 0)
                continue;
            var (low, high) = Bootstrap.Interval(values, new Rng(5));
            table[metric] = new Measured(values.Average(), low, high, values.Length);
        }
        var distance = reference.Distance(videos.Select(f => f.Frames));
        table["FDr"] = new Measured(distance, distance, distance, videos.Count);
        return new EvaluationResult(name, videos.Count, seconds, table, scores);
    }

    /// <summary>The rows as a Markdown table, mean and interval.</summary>
    public static string Markdown(IReadOnlyList<EvaluationResult> rows, IReadOnlyList<string>? columns = null)
    {
        columns ??= Names;
        var lines = new List<string>
        {
            $"| row | videos | s/video | {string.Join(" | ", columns)} |",
            $"|---|---|---|{string.Concat(columns.Select(_ => "---|"))}",
        };
        foreach (var r in rows)
            lines.Add(
                $"| {r.Name} | {r.Videos} | {(r.SecondsPerVideo > 0 ? $"{r.SecondsPerVideo:0.0}" : "")} | "
                    + string.Join(
                        " | ",
                        columns.Select(c =>
                            !r.Metrics.TryGetValue(c, out var m) ? "n/a"
                            : m.Low == m.High ? $"{m.Mean:0.0##}"
                            : $"{m.Mean:0.000} [{m.Low:0.000}, {m.High:0.000}]"
                        )
                    )
                    + " |"
            );
        return string.Join("\n", lines) + "\n";
    }
}
