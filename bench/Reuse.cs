using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Bench;

/// <summary>
/// The encoder's state kept over steps of a flow-matching head, beside fewer steps of the same cost: distance of clips
/// of the bundled miniature's teacher (cut in encoder and head as the student begins), guided Euler steps, from what
/// 200 steps make of the same noise.
/// </summary>
internal static class Reuse
{
    private const int Exact = 200;
    private const double Guidance = 1.5;
    private const int Clips = 4;

    public static IEnumerable<Row> Rows()
    {
        using var files = ModelFiles.Open(Video.Traveller);
        var c = files.Config;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Load(
            DecoupledTransformer.FromWan(
                files.Require(PartKind.Transformer, ModelFolder.Teacher).Source(),
                c.Wan.Layers,
                c.HeadBlocks
            ),
            ScalarType.BFloat16
        );
        var student = new DecoupledTransformer(weights, c.Wan, c.HeadBlocks, ScalarType.BFloat16, Head.FlowMatching);
        using var g = new torch.Generator(1);
        var (with, without) = (
            student.Prompt(torch.randn([1, 20, c.Wan.TextDim], generator: g)),
            student.Prompt(torch.zeros([1, 1, c.Wan.TextDim]))
        );
        foreach (
            var (steps, every) in ((int, int)[])[(50, 1), (25, 1), (50, 2), (34, 1), (17, 1), (50, 3), (13, 1), (50, 4)]
        )
        {
            var (errors, seconds) = (new List<double>(), 0.0);
            for (var seed = 0; seed < Clips; seed++)
            {
                using var inner = torch.NewDisposeScope();
                using var random = new torch.Generator((ulong)seed);
                var noise = torch.randn(c.LatentShape(c.ClipLatents), generator: random);
                var exact = Cached(seed, () => Sample(noise, Exact, 1));
                var start = Turns.Now();
                var video = Sample(noise, steps, every);
                seconds += (Turns.Now() - start) / Clips;
                errors.Add(((video - exact).norm() / exact.norm()).ToDouble());
            }
            yield return new(
                $"reuse, {steps} steps, the encoder every {every}",
                errors.Average(),
                "relative",
                Lower: true
            )
            {
                Note = $"{seconds:0.00} s a clip",
            };
        }
        kept.Dispose();

        Tensor Sample(Tensor noise, int steps, int every)
        {
            using var states = torch.NewDisposeScope();
            var sigmas = Times.Sigmas(steps, c.Shift);
            var x = noise;
            WanState? a = null,
                b = null;
            for (var i = 0; i < steps; i++)
            {
                var t = torch.full([1], 1000 * sigmas[i]);
                Tensor Velocity(WanPrompt prompt, ref WanState? state)
                {
                    if (i % every == 0)
                        state = student.Encode(x, t, prompt);
                    var now = student.Encode(x.narrow(2, 0, 1), t, prompt); // for its time alone
                    var s = state!;
                    return student.Decode(
                        Head.FlowMatching,
                        new WanState
                        {
                            X = s.X,
                            Modulation = now.Modulation,
                            Time = now.Time,
                            Text = s.Text,
                            Cos = s.Cos,
                            Sin = s.Sin,
                            Keys = s.Keys,
                        },
                        x,
                        t
                    );
                }
                var v = Flow.Guide(Velocity(with, ref a), Velocity(without, ref b), Guidance);
                x = x + v * (sigmas[i + 1] - sigmas[i]);
            }
            return x.MoveToOuterDisposeScope();
        }
    }

    private static readonly TensorStore kept = new();

    private static Tensor Cached(int seed, Func<Tensor> make) => kept[seed] ??= make();
}
