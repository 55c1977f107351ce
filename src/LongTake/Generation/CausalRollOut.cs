using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>
/// One call of the model, as it ended: frames start to start + count at a timestep; x0 is null for passes that only
/// write the cache.
/// </summary>
public sealed record CausalCall(int Start, int Frames, double Timestep, Tensor Velocity, Tensor? X0);

/// <summary>
/// Videos block by block from a causal model with a cache: CausVid, Self-Forcing and Infinity-RoPE are settings of this
/// one loop. Reference: their pipeline/*causal_inference.py.
/// </summary>
public static class CausalRollOut
{
    /// <summary>
    /// A video of latents [B, C, T, H, W]: <paramref name="initial"/>, if any, and then one frame for each of <paramref
    /// name="noise"/>. <paramref name="renoise"/> draws noise of a shape, once before each later step of a block;
    /// <paramref name="called"/> hears of every call.
    /// </summary>
    public static Tensor Generate(
        CausalTransformer model,
        CausalSampling how,
        KvCache cache,
        IReadOnlyList<CausalScene> scenes,
        Tensor noise,
        Func<long[], Tensor> renoise,
        Tensor? initial = null,
        Action<CausalCall>? called = null
    )
    {
        if (scenes.Count == 0)
            throw new UserException("a video needs a prompt", usage: true);
        using var outer = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var table = new FlowTable(how.Shift);
        var given = initial is null ? 0 : (int)initial.size(2);
        var video = initial is null ? torch.zeros_like(noise) : torch.cat([initial, torch.zeros_like(noise)], 2);
        var (scene, prompt) = (0, model.Prompt(scenes[0].Text));
        var at = 0;
        foreach (var frames in Blocks(how, given, (int)noise.size(2)))
        {
            Enter();
            using var scope = torch.NewDisposeScope();
            var block = video.narrow(2, at, frames);
            if (at >= given)
                block.copy_(Made(noise.narrow(2, at - given, frames)));
            var last = Velocity(block, 0);
            called?.Invoke(new(at, frames, 0, last, null));
            at += frames;
        }
        return video.MoveToOuterDisposeScope();

        void Enter()
        {
            cache.Cut = false;
            var next = scene;
            while (next + 1 < scenes.Count && scenes[next + 1].Start <= at)
                next++;
            if (next == scene)
                return;
            scene = next;
            prompt = model.Prompt(scenes[scene].Text);
            cache.Flush();
            cache.Cut = scenes[scene].Entry == PromptSwitch.FlushAndCut;
        }

        Tensor Made(Tensor start)
        {
            Tensor? velocity = null;
            return Sampling.FewStep(
                (x, t) => velocity = Velocity(x, t),
                start,
                shape => renoise(shape).to(noise.device),
                how.Timesteps,
                table,
                step: (i, x0) => called?.Invoke(new(at, (int)x0.size(2), how.Timesteps[i], velocity!, x0))
            );
        }

        Tensor Velocity(Tensor x, double timestep) =>
            model.Forward(x, torch.full([x.size(0), x.size(2)], timestep, device: x.device), prompt, cache, at);
    }

    /// <summary>Blocks of the given frames, then of those to make.</summary>
    private static IEnumerable<int> Blocks(CausalSampling how, int given, int made) =>
        (given == 0 ? [] : Nn.BlockMask.Blocks(given, how.BlockFrames)).Concat(
            Nn.BlockMask.Blocks(made, how.BlockFrames)
        );
}
