namespace LongTake.Models;

/// <summary>Blocks one after the other; their weights come with them where they are streamed.</summary>
public sealed class Blocks(Weights w, int count, VideoModel model)
{
    private readonly Weights[] places = [.. Enumerable.Range(0, count).Select(i => w / i)];
    private readonly IBlock[] blocks = [.. Enumerable.Range(0, count).Select(i => model.Block(w / i))];

    /// <summary>Each block, to be used before the next is asked for.</summary>
    public IEnumerable<IBlock> InTurn() => WeightStream.InTurn(places).Select(i => blocks[i]);

    /// <summary>Whether a weight is a block's, of a transformer or of a student's heads.</summary>
    public static bool Holds(string weight) =>
        weight.StartsWith("blocks.", StringComparison.Ordinal)
        || weight.Contains("_head.blocks.", StringComparison.Ordinal);

    /// <summary>
    /// The state after all blocks. Tokens between them are freed, and those they start with unless the caller keeps
    /// them.
    /// </summary>
    public TransformerState Through(TransformerState state, bool keep = false)
    {
        foreach (var block in InTurn())
        {
            var next = block.Forward(state);
            if (!keep)
                state.X.Dispose(); // the graph, if there is one, holds what it needs
            (state, keep) = (next, false);
        }
        return state;
    }
}

/// <summary>
/// A video diffusion transformer with attention over all latents: the teacher, the fake score, and (split in two, as
/// <see cref="DecoupledTransformer"/>) the student. Output: velocity v = noise - x0. Blocks are the weights "blocks.0"
/// and so on, the output layer is "head".
/// </summary>
public class Transformer(Weights w, VideoModel model, ScalarType compute = ScalarType.BFloat16)
{
    private readonly IEmbedding embedding = model.Embedding(w, compute);
    private readonly Blocks blocks = new(w / "blocks", model.Blocks, model);
    private readonly IOutput output = model.Output(w / "head");

    /// <summary>
    /// x [B, C, T, H, W], timesteps [B] or [B, T] (1000 sigma), text [B, L, textDim] -> velocity [B, C, T, H, W],
    /// float32.
    /// </summary>
    public Tensor Forward(Tensor x, Tensor timesteps, Tensor text) => Forward(x, timesteps, text, null);

    /// <summary>The velocity of an image-to-video model.</summary>
    public Tensor Forward(Tensor x, Tensor timesteps, Tensor text, ImageCondition? image)
    {
        using var scope = torch.NewDisposeScope();
        var state = embedding.Forward(x, timesteps, text, image);
        return output.Forward(blocks.Through(state), x, timesteps).MoveToOuterDisposeScope();
    }

    /// <summary>Velocity with a prompt that was read before.</summary>
    public Tensor Forward(Tensor x, Tensor timesteps, EncodedPrompt prompt, ImageCondition? image = null)
    {
        using var scope = torch.NewDisposeScope();
        var state = embedding.Forward(x, timesteps, prompt, image);
        return output.Forward(blocks.Through(state), x, timesteps).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Reads a prompt, text [B, L, textDim], once for many steps. Its tensors live in the current scope.
    /// </summary>
    public EncodedPrompt Prompt(Tensor text, ImageCondition? image = null) =>
        embedding.Prompt(text, image, blocks.InTurn());
}
