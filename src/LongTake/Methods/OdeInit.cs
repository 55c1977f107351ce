using LongTake.Data;
using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>Settings of learning the teacher's ODE.</summary>
public sealed record OdeInitConfig
{
    /// <summary>Clips of an iteration.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Trajectories of the teacher that are computed once and learnt from, and those held out.</summary>
    public int Pairs { get; init; } = 256;
    public int HeldOut { get; init; } = 16;

    /// <summary>Trajectories sampled together; a run that is stopped loses at most so many.</summary>
    public int Together { get; init; } = 16;

    /// <summary>
    /// Euler steps of the teacher from one of the few-step levels to the next, and from the last to data.
    /// </summary>
    public int StepsBetween { get; init; } = 12;

    /// <summary>Guidance of the teacher, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1.5;

    /// <summary>Share of clips whose caption also names place and hour.</summary>
    public double LocalCaptions { get; init; } = 0.5;
}

/// <summary>
/// The start of causal students (CausVid and Self-Forcing, ODE initialisation): a block-causal generator learns where
/// the teacher's ODE ends from a state on its way there, the states' levels drawn for each block by itself. The
/// trajectories are computed first and kept in the run's folder. Reference: Self-Forcing model/ode_regression.py.
/// </summary>
public static class OdeInit
{
    public static MethodEntry Entry { get; } = MethodEntry.Of<OdeInitConfig>("OdeInit", Build, Problems);

    private static IEnumerable<string> Problems(OdeInitConfig c)
    {
        foreach (
            var (name, value) in new[]
            {
                ("batch", c.Batch),
                ("pairs", c.Pairs),
                ("together", c.Together),
                ("stepsBetween", c.StepsBetween),
            }
        )
            if (value < 1)
                yield return $"{name} {value}: at least 1";
        if (c.HeldOut < 0)
            yield return $"heldOut {c.HeldOut}: at least 0";
    }

    private static Method Build(Stage stage, OdeInitConfig c)
    {
        var (model, data) = (stage.Config, stage.Latents);
        var (text, textWeights) = stage.Model.LoadText(stage.Device);
        var pairs = OdePairs.Make(stage, c, text);
        var weights = stage.Start(ModelFolder.Generator, ModelFolder.Teacher);
        var generator = new CausalTransformer(weights, model.Model);
        var blocks = Nn.BlockMask.Blocks(model.ClipLatents, model.CausalBlock);
        (Tensor States, string Caption) Pair(int n) =>
            pairs[n] is var (states, caption) ? (states.to(stage.Device), caption) : default;
        return new Method
        {
            Networks = new Dictionary<string, Weights> { ["generator"] = weights.Trainable() },
            Averaged = ["generator"],
            Batch = c.Batch,
            Updates = [new Update("ode", [.. weights.All], stage.Optimiser, (random, weight) =>
                {
                    var drawn = Enumerable.Range(0, c.Batch).Select(_ => Pair(random.Int(c.Pairs))).ToList();
                    var steps = Enumerable
                        .Range(0, c.Batch * blocks.Length)
                        .Select(_ => random.Int(model.FewSteps.Length))
                        .Chunk(blocks.Length)
                        .ToList();
                    var loss = Loss(
                        generator,
                        [.. drawn.Select(p => p.States)],
                        steps,
                        FlowMatching.Frozen(text, [.. drawn.Select(p => p.Caption)]),
                        model,
                        blocks
                    );
                    (loss * weight).Backward();
                    return new Dictionary<string, double> { ["loss"] = loss.Number() };
                })],
            Validate =
                c.HeldOut == 0
                    ? null
                    : () =>
                        new Dictionary<string, double>
                        {
                            ["held-out ode"] = Enumerable
                                .Range(c.Pairs, c.HeldOut)
                                .SelectMany(n =>
                                    Enumerable
                                        .Range(0, model.FewSteps.Length)
                                        .Select(step =>
                                        {
                                            using var scope = torch.NewDisposeScope();
                                            using var off = torch.no_grad();
                                            var pair = Pair(n);
                                            return Loss(
                                                    generator,
                                                    [pair.States],
                                                    [
                                                        [.. blocks.Select(_ => step)],
                                                    ],
                                                    text.Encode([pair.Caption]),
                                                    model,
                                                    blocks
                                                )
                                                .Number();
                                        })
                                )
                                .Average(),
                        },
            Export = (folder, networks) => stage.Save(folder, ModelFolder.Generator, networks["generator"]),
        }
            .AlsoFree(textWeights)
            .AlsoFree(pairs);
    }

    /// <summary>
    /// Mean squared error of the clean prediction: states [levels + 1, C, T, h, w] of each clip, the last of them data;
    /// the index of the level of each block of each clip.
    /// </summary>
    public static Tensor Loss(
        CausalTransformer generator,
        IReadOnlyList<Tensor> states,
        IReadOnlyList<int[]> steps,
        Tensor text,
        ModelConfig model,
        IReadOnlyList<int> blocks
    )
    {
        var xt = torch.cat([
            .. states.Select(
                (s, b) =>
                {
                    var at = 0;
                    return torch.cat(
                        [
                            .. blocks.Select(
                                (count, i) => s.narrow(0, steps[b][i], 1).narrow(2, (at += count) - count, count)
                            ),
                        ],
                        2
                    );
                }
            ),
        ]);
        var data = torch.cat([.. states.Select(s => s.narrow(0, model.FewSteps.Length, 1))]);
        float[] times =
        [
            .. steps.SelectMany(s =>
                s.SelectMany((step, i) => Enumerable.Repeat((float)model.FewSteps[step], blocks[i]))
            ),
        ];
        var timesteps = Tensor.From<float>(times, states.Count, model.ClipLatents).to(xt.device);
        return (Flow.Clean(xt, generator.Forward(xt, timesteps, text, blocks), timesteps / 1000) - data)
            .square()
            .mean();
    }
}
