using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// A step of a teacher of the miniature's size: 16 clips of 11 latents x 16 tokens; forward, backward, Muon and AdamW,
/// moving average; beside the same without kernels of ours.
/// </summary>
internal static class TrainStep
{
    private const int Batch = 16;
    private const int Latents = 11;

    public static IEnumerable<Row> Rows()
    {
        using var outer = torch.NewDisposeScope();
        using Network ours = new(ScalarType.BFloat16),
            plain16 = new(ScalarType.BFloat16),
            plain32 = new(ScalarType.Float32);
        var s = Turns.Run(
            7,
            ours.Step,
            Plain.Of(plain16.Step, ProductKind.BFloat16),
            Plain.Of(plain32.Step, ProductKind.Float32)
        );
        var parts = Turns.Run(5, () => ours.Step(0), () => ours.Step(1), () => ours.Step(2));
        var (peer, type) = Plain.Faster(s[1], s[2]);
        yield return Row.Seconds("train.step", s[0], peer, $"{Plain.Name}, {type}") with
        {
            Note =
                $"teacher of the miniature, {Batch} clips x {Latents * 16} tokens: forward "
                + $"{Turns.Median(parts[0]):0.00}, "
                + $"backward {Turns.Median(parts[1]):0.00}, optimiser {Turns.Median(parts[2]):0.00}",
        };
    }

    private sealed class Network : IDisposable
    {
        private readonly WanConfig c = new()
        {
            PatchSize = [1, 1, 1],
            TextLength = 32,
            InChannels = 64,
            OutChannels = 64,
            Dim = 192,
            FfnDim = 384,
            FreqDim = 128,
            TextDim = 64,
            Heads = 3,
            Layers = 7,
        };
        private readonly Weights weights = Weights.Create(new Rng(1));
        private readonly Weights average;
        private readonly WanTransformer network;
        private readonly Optimiser optimiser;
        private readonly Tensor x,
            text,
            timesteps,
            target;
        private DisposeScope? graph;
        private Tensor? loss;

        public Network(ScalarType compute)
        {
            network = new(weights, c, compute);
            weights.Trainable();
            average = Ema.Copy(weights);
            optimiser = new("bench", [.. weights.All], new OptimiserConfig { Lr = 1e-3, MuonLr = 0.02 });
            using var random = new torch.Generator(1);
            x = torch.randn([Batch, c.InChannels, Latents, 4, 4], generator: random);
            text = torch.randn([Batch, 20, c.TextDim], generator: random);
            timesteps = torch.full([Batch], 500);
            target = torch.randn([Batch, c.InChannels, Latents, 4, 4], generator: random);
        }

        /// <summary>Seconds of a whole step.</summary>
        public double Step() => Step(0) + Step(1) + Step(2);

        /// <summary>Seconds of a part: forward, backward, optimiser.</summary>
        public double Step(int part)
        {
            var start = Turns.Now();
            if (part == 0)
            {
                graph = torch.NewDisposeScope();
                loss = (network.Forward(x, timesteps, text) - target).square().mean();
            }
            else if (part == 1)
            {
                loss!.Backward();
            }
            else
            {
                optimiser.Step(1, 1 / Math.Max(1, optimiser.GradientNorm()));
                Ema.Update(average, weights, 0.997);
                optimiser.ZeroGrad();
                graph!.Dispose();
            }
            return Turns.Now() - start;
        }

        public void Dispose()
        {
            optimiser.Dispose();
            average.Dispose();
            weights.Dispose();
        }
    }
}
