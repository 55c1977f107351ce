using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>A step of a teacher of the miniature's size: 16 clips of 11 latents x 16 tokens; forward, backward, Muon and AdamW, moving average.</summary>
internal static class TrainStep
{
    public static IEnumerable<Row> Rows()
    {
        const int batch = 16, latents = 11, turns = 11;
        var c = new WanConfig
        {
            PatchSize = [1, 1, 1], TextLength = 32, InChannels = 64, OutChannels = 64, Dim = 192, FfnDim = 384, FreqDim = 128, TextDim = 64,
            Heads = 3, Layers = 7, SkipPreconditioning = true,
        };
        using var outer = new Scope();
        using var weights = Weights.Create(new Rng(1));
        var network = new WanTransformer(weights, c);
        weights.Trainable();
        using var average = Ema.Copy(weights);
        using var optimiser = new Optimiser("bench", [.. weights.All], new OptimiserConfig { Lr = 1e-3, MuonLr = 0.02 });
        using var random = new Generator(1);
        var (x, text) = (random.Normal(batch, c.InChannels, latents, 4, 4), random.Normal(batch, 20, c.TextDim));
        var (timesteps, target) = (Full([batch], 500), random.Normal(batch, c.InChannels, latents, 4, 4));
        Tensor? loss = null;
        Scope? graph = null;
        var s = Turns.Run(turns, () =>
        {
            graph = new Scope();
            return Timed(() => loss = Mean(Square(network.Forward(x, timesteps, text) - target)));
        }, () => Timed(() => loss!.Backward()), () =>
        {
            var seconds = Timed(() =>
            {
                optimiser.Step(1, 1 / Math.Max(1, optimiser.GradientNorm()));
                Ema.Update(average, weights, 0.997);
                optimiser.ZeroGrad();
            });
            graph!.Dispose();
            return seconds;
        });
        yield return Row.Seconds("train.step", [.. Enumerable.Range(0, turns).Select(i => s.Sum(phase => phase[i]))], null, null) with
        {
            Note = $"teacher of the miniature, {batch} clips x {latents * 16} tokens: forward {Turns.Median(s[0]):0.00}, backward {Turns.Median(s[1]):0.00}, optimiser {Turns.Median(s[2]):0.00}",
        };
    }

    private static double Timed(Action work)
    {
        var start = Turns.Now();
        work();
        return Turns.Now() - start;
    }
}
