using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// An iteration of the method as recipes/mini/traveller.json has it, on videos of noise: the student's update and the
/// critic's two, beside the same without kernels of ours. Both begin with the bundled teacher, for the bundled student
/// has no flow-matching head.
/// </summary>
internal static class MmmStep
{
    public static IEnumerable<Row> Rows()
    {
        const int turns = 5;
        var c = new MmmConfig
        {
            Windows = 8,
            CriticWindows = 8,
            Guidance = 1,
            MatchingShift = 5,
            Anchor = 0.5,
            LocalCaptions = true,
            CriticFirst = 0,
        };
        var folder = Directory.CreateTempSubdirectory("longtake-bench-").FullName;
        try
        {
            using var scope = torch.NewDisposeScope();
            var bundled = ModelFolder.Open(Video.Traveller);
            var model = ModelFolder.Create(Path.Combine(folder, "model"), bundled.Config, bundled, ModelFolder.Student);
            using var data = Noise(model.Config, Path.Combine(folder, "set"));
            var optimiser = new OptimiserConfig { Lr = 2e-4, Beta1 = 0.5 };
            var stage = new Stage
            {
                From = model,
                Config = model.Config,
                Optimiser = optimiser,
                Data = data,
                Init = new Rng(1),
                Run = folder,
                Video = (_, _) => [],
                Tokenizer = () => model.TokenizerFile,
            };
            using var method = Mmm.Entry.Build(stage, c);
            using var average = Ema.Copy(method.Networks["student"]);
            var optimisers = method.Updates.Select(u => new Optimiser(u.Name, u.Parameters, u.Optimiser)).ToArray();
            var turn = 0;
            double Update(int which) =>
                Turns.Of(() =>
                {
                    method.Updates[which].Descend(new Rng(turn, which), 1);
                    optimisers[which].Step(1, 1 / Math.Max(1, optimisers[which].GradientNorm()));
                    optimisers[which].ZeroGrad();
                    if (which == 0)
                        Ema.Update(average, method.Networks["student"], 0.98);
                })();
            double Iteration()
            {
                method.Begin();
                return Update(0) + Update(1) + Update(1);
            }
            // Ours draws what its peers draw: an iteration's cost goes with the step that its video ends at.
            var s = Turns.Run(
                turns,
                () =>
                {
                    turn++;
                    return Iteration();
                },
                Plain.Of(Iteration, ProductKind.BFloat16),
                Plain.Of(Iteration, ProductKind.Float32)
            );
            turn = 0;
            var parts = Turns.Run(
                turns,
                () =>
                {
                    method.Begin();
                    turn++;
                    return Update(0);
                },
                () => Update(1)
            );
            var (peer, type) = Plain.Faster(s[1], s[2]);
            foreach (var o in optimisers)
                o.Dispose();
            yield return Row.Seconds("train.step, MMM", s[0], peer, $"{Plain.Name}, products in {type}") with
            {
                Least = 1.3,
                Note =
                    $"student {Turns.Median(parts[0]):0.00}, critic {Turns.Median(parts[1]):0.00} twice; 61 "
                    + $"s, 8 windows each, "
                    + "anchor, local captions",
            };
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>Two videos of noise, as a set of latents.</summary>
    internal static LatentSet Noise(ModelConfig c, string folder)
    {
        using var g = new torch.Generator(1);
        LatentItem[] items =
        [
            .. Enumerable
                .Range(0, 2)
                .Select(i => new LatentItem($"take-{i}", "take", c.VideoLatents, "a traveller in a red coat")
                {
                    Locals = ["meadow, dawn", "forest, noon"],
                }),
        ];
        var noise = items.ToDictionary(
            i => i.Name,
            _ => torch.randn(c.LatentShape(c.VideoLatents), generator: g).select(0, 0)
        );
        LatentSet.Write(folder, new LatentSetInfo("noise", c.Fps, c.Width, c.Height, "noise", items), noise);
        return LatentSet.Open(folder);
    }
}
