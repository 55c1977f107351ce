using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Bench;

/// <summary>
/// How time and memory of a video grow with its length, 15 seconds to 4 minutes, by the bundled miniature (whose
/// attention is split over the axes) and by the same with attention of all to all: figures, and exponents fitted by
/// least squares in logarithms. Beyond a minute the video is noise to the model, but costs the same.
/// </summary>
internal static class Law
{
    private static readonly int[] lengths = [61, 121, 245, 481, 961]; // latents: 15, 30, 61, 120 and 240 seconds

    private static readonly (string Work, string Name, string Title)[] works =
    [
        ("axes", "step, attention along the axes", "attention along the axes"),
        ("all", "step, attention of all to all", "attention of all to all"),
        ("decode", "decode", "decoding"),
    ];

    /// <summary>The shortest video.</summary>
    public static int Shortest => lengths[0];

    public static IEnumerable<Row> Rows()
    {
        foreach (var (work, name, title) in works)
        {
            using var scope = torch.NewDisposeScope();
            var (times, peaks) = (new List<double>(), new List<double>());
            var make = MemoryWork(work);
            foreach (var latents in lengths)
            {
                using var inner = torch.NewDisposeScope();
                var forward = make(latents);
                var timed = Turns.Of(forward, least: 0.1);
                var turns = latents > 245 ? 1 : 3;
                timed();
                times.Add(Turns.Median(Enumerable.Range(0, turns).Select(_ => timed())));
                peaks.Add(PeakMemory.InChild(work, latents));
                yield return new($"law.{name}, {latents} latents", times[^1], "s", Lower: true)
                {
                    Note = $"{peaks[^1] / 1e6:0.0} MB beside the weights",
                };
            }
            yield return new($"law.time, {title}", Exponent(times), "exponent", Lower: true)
            {
                Note = "of seconds in the video's length",
            };
            yield return new($"law.memory, {title}", Exponent(peaks), "exponent", Lower: true)
            {
                Note = "of memory in the video's length",
            };
        }
    }

    /// <summary>Makes, in the scope that is open, a step or the decoding of a video of so many latents.</summary>
    public static Func<int, Action> MemoryWork(string work)
    {
        using var files = ModelFiles.Open(Video.Traveller);
        var longest = files.Config with { VideoLatents = lengths[^1] };
        using var g = new torch.Generator(1);
        if (work == "decode")
            return Decoding(files, longest);
        var c = work == "axes" ? longest : longest with { Family = "Wan", Miniature = null };
        var weights = Weights.Create(new Rng(1), ScalarType.BFloat16);
        var student = new DecoupledTransformer(weights, c.Model, c.HeadBlocks, only: Head.DistributionMatching);
        var text = torch.randn([1, 20, c.Wan.TextDim], generator: g);
        return latents =>
        {
            var x = torch.randn(c.LatentShape(latents));
            return () =>
            {
                using var off = torch.no_grad();
                student.Forward(Head.DistributionMatching, x, torch.full([1], 500), text);
            };
        };
    }

    private static Func<int, Action> Decoding(ModelFiles files, ModelConfig c)
    {
        var weights = Weights.Load(files.Require(PartKind.Vae).Source(), ScalarType.BFloat16);
        var vae = c.Model.Autoencoder(weights);
        return latents =>
        {
            var z = torch.randn(c.LatentShape(latents));
            var chunk = VideoAutoencoder.Chunk(z.size(3), z.size(4));
            return () =>
            {
                using var off = torch.no_grad();
                using var cache = new AutoencoderCache();
                for (long t = 0; t < latents; t += chunk)
                {
                    using var step = torch.NewDisposeScope();
                    vae.DecodeStep(z.narrow(2, t, Math.Min(chunk, latents - t)), cache);
                }
            };
        };
    }

    private static double Exponent(List<double> values)
    {
        var (x, y) = (lengths.Select(n => Math.Log(n)).ToArray(), values.Select(v => Math.Log(v)).ToArray());
        var (mx, my) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / x.Sum(a => (a - mx) * (a - mx));
    }
}
