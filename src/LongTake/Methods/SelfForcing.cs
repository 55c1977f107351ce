using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>Settings of Self-Forcing.</summary>
public sealed record SelfForcingConfig : ClipMatchingConfig
{
    public ExitSchedule Exit { get; init; } = ExitSchedule.Uniform;
}

/// <summary>
/// Self-Forcing: the student is trained on what it makes itself. A clip is rolled out block by block with a cache of
/// keys and values, as videos are made; every block stops at the same step of the few-step list, drawn anew each time,
/// and that step alone has a graph. Distribution matching judges the whole clip. Starts from a generator that has
/// learnt the teacher's ODE. Reference: Self-Forcing pipeline/self_forcing_training.py.
/// </summary>
public static class SelfForcing
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<SelfForcingConfig>("SelfForcing", Build, c => c.Problems());

    private static Method Build(Stage stage, SelfForcingConfig c)
    {
        var (data, model) = (stage.Latents, stage.Config);
        var table = new FlowTable(5);
        return ClipMatching.Build("self-forcing", stage, c, (generator, random, batch) =>
        {
            var exit = Times.DrawExit(random, c.Exit, model.FewSteps.Length);
            using var g = new torch.Generator((ulong)random.Seed());
            var shape = data.Shape(batch.Items[0]);
            (shape[0], shape[2]) = (batch.Items.Count, model.ClipLatents);
            Tensor Noise(long[] of) => torch.randn(of, generator: g).to(batch.Text.device);
            return RollOut(
                generator,
                batch.Text,
                Noise(shape),
                Noise,
                table,
                model.FewSteps,
                exit,
                model.CausalBlock
            );
        });
    }

    /// <summary>
    /// A clip [B, C, T, h, w] out of as much noise. Of every block the steps before <paramref name="exit"/> have no
    /// graph, that step has; then the block, noised to the table's least level, is passed once more to write the cache.
    /// <paramref name="renoise"/> is called before each later step and before that pass.
    /// </summary>
    public static Tensor RollOut(
        CausalTransformer generator,
        Tensor text,
        Tensor noise,
        Func<long[], Tensor> renoise,
        FlowTable table,
        IReadOnlyList<double> steps,
        int exit,
        int blockFrames
    )
    {
        using var outer = torch.NewDisposeScope();
        var frames = (int)noise.size(2);
        using var cache = new KvCache(frames, rolling: false);
        var prompt = generator.Prompt(text);
        var (made, at) = (new List<Tensor>(), 0);
        foreach (var count in Nn.BlockMask.Blocks(frames, blockFrames))
        {
            made.Add(Sampling.FewStep(Velocity, noise.narrow(2, at, count), renoise, steps, table, exit));
            cache.Connected = false;
            using (torch.no_grad())
            using (torch.NewDisposeScope())
            {
                var least = torch.zeros([noise.size(0)]);
                Velocity(table.Noisy(made[^1].detach(), renoise(made[^1].shape), least), 0);
            }
            at += count;
        }
        return torch.cat([.. made], 2).MoveToOuterDisposeScope();

        Tensor Velocity(Tensor x, double t)
        {
            cache.Connected = torch.is_grad_enabled();
            var timesteps = torch.full([x.size(0), x.size(2)], t, device: x.device);
            return generator.Forward(x, timesteps, prompt, cache, at);
        }
    }
}
