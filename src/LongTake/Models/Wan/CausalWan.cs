using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Wan's transformer with attention that looks back only: weights, names and all else are <see
/// cref="WanTransformer"/>'s. Time steps are one per latent frame, [B, T]. Either over a whole video at once, block by
/// block masked (training), or some frames at a time with a <see cref="KvCache"/> (generation). Reference:
/// Self-Forcing, wan/modules/causal_model.py.
/// </summary>
public sealed class CausalWanTransformer
{
    private readonly WanConfig config;
    private readonly WanEmbedding embedding;
    private readonly WanBlocks blocks;
    private readonly WanHead head;

    public CausalWanTransformer(Weights w, WanConfig c, ScalarType compute = ScalarType.BFloat16)
    {
        if (c.PatchSize is not [1, ..] || c.ClipDim > 0)
            throw new UserException(
                "a causal transformer needs patches of one latent frame and knows no image input; take a "
                    + "text-to-video configuration"
            );
        // Whatever it makes is to it a clip: it sees a window of the video and is not told where in the video that is.
        config = c = c with { AbsoluteTimeBeyond = 0 };
        embedding = new WanEmbedding(w, c, compute);
        blocks = new WanBlocks(w / "blocks", c.Layers, c);
        head = new WanHead(w / "head", c);
    }

    /// <summary>
    /// A whole video: x [B, C, T, H, W], timesteps [B, T], text [B, L, textDim] -> velocity [B, C, T, H, W], float32.
    /// Frames see their own block and earlier ones, no further than <paramref name="window"/> frames back from the
    /// block's end if that is not 0.
    /// </summary>
    public Tensor Forward(Tensor x, Tensor timesteps, Tensor text, IReadOnlyList<int> blockFrames, int window = 0)
    {
        CheckBlocks(x, blockFrames);
        var state = embedding.Forward(x, timesteps, text);
        return Velocity(Run(state, tokens => BlockMask.Causal(blockFrames, tokens, window)), x, timesteps);
    }

    /// <summary>
    /// Teacher forcing: the frames of x see, of all blocks before their own, those of <paramref name="clean"/> (the
    /// same shape, at the timesteps given for it [B, T], 0 if none are).
    /// </summary>
    public Tensor Forward(
        Tensor x,
        Tensor timesteps,
        Tensor text,
        IReadOnlyList<int> blockFrames,
        Tensor clean,
        Tensor? cleanTimesteps = null
    )
    {
        CheckBlocks(x, blockFrames);
        var (frames, noisy) = (x.size(2), embedding.Forward(x, timesteps, text));
        var context = embedding.Tokens(clean, cleanTimesteps ?? torch.zeros_like(timesteps), noisy.Text);
        Tensor Both(Tensor first, Tensor second) => torch.cat([PerFrame(first), PerFrame(second)], 1);
        Tensor PerFrame(Tensor m) => m.size(1) == frames ? m : m.expand(-1, frames, -1, -1);
        var state = Run(
            new WanState
            {
                X = torch.cat([context.X, noisy.X], 1),
                Modulation = Both(context.Modulation, noisy.Modulation),
                Time = noisy.Time,
                Text = noisy.Text,
                Cos = torch.cat([noisy.Cos, noisy.Cos], 1),
                Sin = torch.cat([noisy.Sin, noisy.Sin], 1),
            },
            tokens => BlockMask.TeacherForcing(blockFrames, tokens)
        );
        return Velocity(state.With(state.X.narrow(1, frames, frames)), x, timesteps);
    }

    /// <summary>
    /// Reads a prompt, text [B, L, textDim], once for many steps. Its tensors live in the current scope.
    /// </summary>
    public WanPrompt Prompt(Tensor text) => new(embedding.Text(text), null, blocks.InTurn());

    /// <summary>
    /// Frames <paramref name="start"/> to start + T of a video, seeing each other and what the cache holds, into which
    /// they go: x [B, C, T, H, W], timesteps [B, T] -> velocity [B, C, T, H, W]. About <paramref name="keepSink"/> see
    /// <see cref="KvCache.Begin"/>.
    /// </summary>
    public Tensor Forward(Tensor x, Tensor timesteps, WanPrompt prompt, KvCache cache, int start, bool keepSink = false)
    {
        using var scope = torch.NewDisposeScope();
        var state = embedding.Tokens(x, timesteps, prompt.Text, inside: start > 0, keys: prompt.Keys);
        var pass = cache.Begin(
            start,
            (int)x.size(2),
            (int)x.size(3) / config.PatchSize[1],
            (int)x.size(4) / config.PatchSize[2],
            config,
            x.device,
            keepSink
        );
        foreach (var (i, block) in blocks.InTurn().Index())
            state = block.Forward(state, (q, k, v) => pass.Attend(i, q, k, v));
        pass.Commit();
        return Velocity(state, x, timesteps).MoveToOuterDisposeScope();
    }

    private WanState Run(WanState state, Func<long, BlockMask> masked)
    {
        // Axial heads along time see one token a frame; the others stay in their own frame, which no mask forbids.
        var (cos, sin, frames) = (state.Cos, state.Sin, (int)state.X.size(1));
        var mask = masked(config.AxialAttention ? 1 : state.X.size(2));
        foreach (var block in blocks.InTurn())
            state = block.Forward(state, (q, k, v) =>
            {
                (q, k) = (Rotary.Apply(q, cos, sin), Rotary.Apply(k, cos, sin));
                return config.AxialAttention
                    ? Attention.Axial(q, k, v, frames, frames, mask.Attend)
                    : mask.Attend(q, k, v);
            });
        return state;
    }

    private Tensor Velocity(WanState state, Tensor x, Tensor timesteps) =>
        WanTransformer.Velocity(config, head.Forward(state), x, timesteps);

    private static void CheckBlocks(Tensor x, IReadOnlyList<int> blockFrames)
    {
        if (blockFrames.Sum() != x.size(2))
            throw new UserException(
                $"blocks of {string.Join(" + ", blockFrames)} latent frames are not the video's {x.size(2)}",
                usage: true
            );
    }
}
