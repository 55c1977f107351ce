using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>What gradients a later block's loss has for the keys and values of an earlier one.</summary>
public enum CacheGradients
{
    /// <summary>They reach the earlier block's exit step, as in the published code.</summary>
    ThroughExit,

    /// <summary>None.</summary>
    Detached,
}

/// <summary>Settings of Self-Forcing.</summary>
public sealed record SelfForcingConfig : ClipMatchingConfig
{
    public ExitSchedule Exit { get; init; } = ExitSchedule.Uniform;
    public CacheGradients CacheGradients { get; init; } = CacheGradients.ThroughExit;

    /// <summary>Shift of the table by which timesteps are turned into noise levels, as when videos are made.</summary>
    public double TableShift { get; init; } = 5;
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
        var table = new FlowTable(c.TableShift);
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
                model.CausalBlock,
                c.CacheGradients
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
        int blockFrames,
        CacheGradients gradients
    )
    {
        using var outer = torch.NewDisposeScope();
        var frames = (int)noise.size(2);
        using var cache = new KvCache(frames, rolling: false);
        var prompt = generator.Prompt(text);
        var (made, at) = (new List<Tensor>(), 0);
        foreach (var count in Nn.BlockMask.Blocks(frames, blockFrames))
        {
            var x = noise.narrow(2, at, count);
            using (torch.no_grad())
                for (var i = 0; i < exit; i++)
                    x = Noised(Clean(x, steps[i]), steps[i + 1]);
            cache.Connected = gradients == CacheGradients.ThroughExit;
            made.Add(Clean(x, steps[exit]));
            cache.Connected = false;
            using (torch.no_grad())
            using (torch.NewDisposeScope())
                Clean(Noised(made[^1].detach(), 0), 0);
            at += count;
        }
        return torch.cat([.. made], 2).MoveToOuterDisposeScope();

        Tensor Clean(Tensor x, double timestep)
        {
            var timesteps = torch.full([x.size(0), x.size(2)], timestep);
            return table.Clean(x, generator.Forward(x, timesteps.to(x.device), prompt, cache, at), timesteps);
        }
        Tensor Noised(Tensor clean, double timestep) =>
            table.Noisy(clean, renoise(clean.shape), torch.full([clean.size(0)], timestep));
    }
}
