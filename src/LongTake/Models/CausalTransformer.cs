using LongTake.Nn;

namespace LongTake.Models;

/// <summary>
/// A transformer whose attention looks back only; weights and names are those of <see cref="Transformer"/>. Timesteps
/// are one per latent frame, [B, T]. Either over a whole video at once, block by block masked (training), or some
/// frames at a time with a <see cref="KvCache"/> (generation). Reference: Self-Forcing, wan/modules/causal_model.py.
/// </summary>
public class CausalTransformer
{
    private readonly VideoModel model;
    private readonly IEmbedding embedding;
    private readonly Blocks blocks;
    private readonly IOutput output;

    /// <exception cref="UserException">The family cannot be causal.</exception>
    public CausalTransformer(Weights w, VideoModel model, ScalarType compute = ScalarType.BFloat16)
    {
        this.model = model = model.Causal();
        embedding = model.Embedding(w, compute);
        blocks = new(w / "blocks", model.Blocks, model);
        output = model.Output(w / "head");
    }

    /// <summary>
    /// A whole video: x [B, C, T, H, W], timesteps [B, T], text [B, L, textDim] -> velocity [B, C, T, H, W], float32.
    /// Frames see their own block and earlier ones, no further than <paramref name="window"/> frames back from the
    /// block's end if that is not 0.
    /// </summary>
    public Tensor Forward(Tensor x, Tensor timesteps, Tensor text, IReadOnlyList<int> blockFrames, int window = 0)
    {
        if (blockFrames.Sum() != x.size(2))
            throw new UserException(
                $"blocks of {string.Join(" + ", blockFrames)} latent frames are not the video's {x.size(2)}",
                usage: true
            );
        var state = embedding.Forward(x, timesteps, text);
        var (frames, pattern) = ((int)state.X.size(1), model.Attention);
        var patch = model.Patch;
        var (cos, sin) = pattern.Table(frames, (int)x.size(3) / patch[1], (int)x.size(4) / patch[2], x.device);
        foreach (var block in blocks.InTurn())
            state = block.Forward(state, (q, k, v) =>
                pattern.AttendMasked(Rotary.Apply(q, cos, sin), Rotary.Apply(k, cos, sin), v, frames, tokens =>
                    BlockMask.Causal(blockFrames, tokens, window)
                )
            );
        return output.Forward(state, x, timesteps);
    }

    /// <summary>
    /// Reads a prompt, text [B, L, textDim], once for many steps. Its tensors live in the current scope.
    /// </summary>
    public EncodedPrompt Prompt(Tensor text) => embedding.Prompt(text, null, blocks.InTurn());

    /// <summary>
    /// Frames <paramref name="start"/> to start + T of a video, seeing each other and what the cache holds, into which
    /// they go: x [B, C, T, H, W], timesteps [B, T] -> velocity [B, C, T, H, W].
    /// </summary>
    public Tensor Forward(Tensor x, Tensor timesteps, EncodedPrompt prompt, KvCache cache, int start)
    {
        using var scope = torch.NewDisposeScope();
        var state = embedding.Forward(x, timesteps, prompt, inside: start > 0);
        var patch = model.Patch;
        var (height, width) = ((int)x.size(3) / patch[1], (int)x.size(4) / patch[2]);
        var pass = cache.Begin(start, (int)x.size(2), height, width, model.Attention, x.device);
        foreach (var (i, block) in blocks.InTurn().Index())
            state = block.Forward(state, (q, k, v) => pass.Attend(i, q, k, v));
        pass.Commit();
        return output.Forward(state, x, timesteps).MoveToOuterDisposeScope();
    }
}
