using LongTake.Checkpoints;
using LongTake.Models;

namespace LongTake.Bench;

/// <summary>
/// How time and memory of a film grow with its length, 15 seconds to 4 minutes, by the bundled miniature (whose attention is split over the
/// axes) and by the same with attention of all to all: figures, and exponents fitted by least squares in logarithms. Beyond a minute the film is noise
/// to the model, but costs the same.
/// </summary>
internal static class Law
{
    private static readonly int[] lengths = [61, 121, 245, 481, 961];   // latents: 15, 30, 61, 120 and 240 seconds

    public static IEnumerable<Row> Rows()
    {
        using var files = ModelFiles.Open(Film.Traveller);
        var longest = files.Config with { FilmLatents = lengths[^1] };
        foreach (var axial in (bool[])[true, false])
        {
            var c = longest with { Wan = longest.Wan with { AxialAttention = axial } };
            var name = axial ? "attention along the axes" : "attention of all to all";
            using var scope = new Scope();
            using var off = GradMode.Off();
            using var weights = Weights.Load(files.Require(PartKind.Student).Source(), Dtype.BF16);
            using var g = new Generator(1);
            var student = new DecoupledTransformer(weights, c.Wan, c.HeadBlocks, Dtype.BF16, Head.DistributionMatching);
            var text = g.Normal(1, 20, c.Wan.TextDim);
            var (times, peaks) = (new List<double>(), new List<double>());
            foreach (var latents in lengths)
            {
                using var inner = new Scope();
                var x = g.Normal(c.LatentShape(latents));
                void Forward() { using var call = new Scope(); student.Forward(Head.DistributionMatching, x, Full([1], 500), text); }
                Measure(latents, Forward, times, peaks);
                yield return new Row($"law.step, {name}, {latents} latents", times[^1], "s", Lower: true) { Note = $"one of {c.FewSteps.Length} steps of {c.Frames(latents) / c.Fps:0} s of film; {peaks[^1] / 1e6:0.0} MB beside the weights" };
            }
            yield return new Row($"law.time, {name}", Exponent(times), "exponent", Lower: true) { Note = "of a step's seconds in the film's length" };
            yield return new Row($"law.memory, {name}", Exponent(peaks), "exponent", Lower: true) { Note = "of a step's memory in the film's length" };
        }
        using var vaeWeights = Weights.Load(files.Require(PartKind.Vae).Source(), Dtype.BF16);
        using var outer = new Scope();
        using var no = GradMode.Off();
        using var random = new Generator(2);
        var vae = new WanVae(vaeWeights, longest.Vae, Dtype.BF16);
        var (seconds, memory) = (new List<double>(), new List<double>());
        foreach (var latents in lengths)
        {
            using var inner = new Scope();
            var z = random.Normal(longest.LatentShape(latents));
            var chunk = WanVaeConfig.Chunk(z.Size(3), z.Size(4));
            void Decode()
            {
                using var cache = new WanVaeCache();
                for (long t = 0; t < latents; t += chunk)
                {
                    using var step = new Scope();
                    vae.DecodeStep(Narrow(z, 2, t, Math.Min(chunk, latents - t)), cache);
                }
            }
            Measure(latents, Decode, seconds, memory);
            yield return new Row($"law.decode, {latents} latents", seconds[^1], "s", Lower: true) { Note = $"{memory[^1] / 1e6:0.0} MB beside the weights" };
        }
        yield return new Row("law.time, decoding", Exponent(seconds), "exponent", Lower: true) { Note = "of decoding's seconds in the film's length" };
        yield return new Row("law.memory, decoding", Exponent(memory), "exponent", Lower: true) { Note = "of decoding's memory in the film's length" };
    }

    // Memory of tensors, above what is there before. The run that is watched for it warms up for those that are timed; long ones are timed once.
    private static void Measure(int latents, Action work, List<double> seconds, List<double> peaks)
    {
        if (latents == lengths[0]) work();
        var before = Libtorch.CpuMemory(restart: true).Now;
        work();
        peaks.Add(Libtorch.CpuMemory().Most - before);
        var timed = Turns.Of(work, least: 0.1);
        seconds.Add(Turns.Median(Enumerable.Range(0, latents > 245 ? 1 : 3).Select(_ => timed())));
    }

    private static double Exponent(List<double> values)
    {
        var (x, y) = (lengths.Select(n => Math.Log(n)).ToArray(), values.Select(v => Math.Log(v)).ToArray());
        var (mx, my) = (x.Average(), y.Average());
        return x.Zip(y, (a, b) => (a - mx) * (b - my)).Sum() / x.Sum(a => (a - mx) * (a - mx));
    }
}
