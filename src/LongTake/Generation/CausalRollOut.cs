using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Generation;

/// <summary>
/// One call of the model, as it ended: frames start to start + count at a timestep; x0 is null for passes that only
/// write the cache.
/// </summary>
public sealed class CausalCall(int start, int frames, double timestep, bool recache, Tensor velocity, Tensor? x0)
{
    public int Start { get; } = start;
    public int Frames { get; } = frames;
    public double Timestep { get; } = timestep;
    public bool Recache { get; } = recache;
    public Tensor Velocity { get; } = velocity;
    public Tensor? X0 { get; } = x0;
}

/// <summary>
/// Videos block by block from a causal model with a cache: CausVid, Self-Forcing, LongLive and Infinity-RoPE are
/// settings of this one loop. Reference: their pipeline/*causal_inference.py.
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
                block.copy_(Denoise(noise.narrow(2, at - given, frames)));
            Call(block, at < given ? 0 : how.ContextTimestep);
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
            var entry = scenes[scene].Entry;
            if (entry is PromptSwitch.Flush or PromptSwitch.FlushAndCut)
            {
                cache.Flush();
                cache.Cut = entry == PromptSwitch.FlushAndCut;
            }
            else if (cache.Held > 0)
                using (torch.NewDisposeScope())
                    Call(
                        video.narrow(2, at - cache.Held, cache.Held),
                        how.ContextTimestep,
                        recache: entry,
                        from: at - cache.Held
                    );
        }

        Tensor Denoise(Tensor x)
        {
            for (var i = 0; ; i++)
            {
                var clean = Call(x, how.Timesteps[i], predict: true)!;
                if (i + 1 == how.Timesteps.Length)
                    return clean;
                x = table.Noisy(clean, renoise(x.shape).to(x.device), torch.full([x.size(0)], how.Timesteps[i + 1]));
            }
        }

        Tensor? Call(Tensor x, double timestep, bool predict = false, PromptSwitch? recache = null, int? from = null)
        {
            using var scope = torch.NewDisposeScope();
            var (start, frames) = (from ?? at, (int)x.size(2));
            var timesteps = torch.full([x.size(0), frames], timestep); // the table looks them up on the CPU
            var velocity = model.Forward(
                x,
                timesteps.to(x.device),
                prompt,
                cache,
                start,
                keepSink: recache == PromptSwitch.RecacheBehindSink
            );
            var clean = predict ? table.Clean(x, velocity, timesteps) : null;
            called?.Invoke(new CausalCall(start, frames, timestep, recache is not null, velocity, clean));
            return clean is null ? null : clean.MoveToOuterDisposeScope();
        }
    }

    /// <summary>
    /// Blocks of the given frames, then of those to make; a first frame alone is the first of either.
    /// </summary>
    private static IEnumerable<int> Blocks(CausalSampling how, int given, int made) =>
        given == 0
            ? Nn.BlockMask.Blocks(made, how.BlockFrames, how.FirstAlone)
            :
            [
                .. Nn.BlockMask.Blocks(given, how.BlockFrames, how.FirstAlone),
                .. Nn.BlockMask.Blocks(made, how.BlockFrames),
            ];
}
