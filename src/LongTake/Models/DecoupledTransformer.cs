namespace LongTake.Models;

/// <summary>A head of the student: mean seeking (flow matching) or mode seeking (distribution matching).</summary>
public enum Head
{
    FlowMatching,
    DistributionMatching,
}

/// <summary>
/// The student: a transformer cut in a shared encoder (the first L - H blocks) and two heads, each a copy of the last H
/// blocks with the output layer (MMM eq. 6-8; method option A: at the start both heads are exactly the transformer).
/// Names: the encoder's are the transformer's; the heads' are fm_head.* and dm_head.* with blocks.0 .. blocks.H-1 and
/// head.
/// </summary>
public sealed class DecoupledTransformer
{
    private readonly IEmbedding embedding;
    private readonly Blocks encoder;
    private readonly (Blocks Blocks, IOutput Output)?[] heads;

    /// <summary>
    /// With <paramref name="only"/>, the other head is neither made nor read (inference needs the DM head alone).
    /// </summary>
    public DecoupledTransformer(
        Weights w,
        VideoModel model,
        int headBlocks,
        ScalarType compute = ScalarType.BFloat16,
        Head? only = null
    )
    {
        if (headBlocks < 1 || headBlocks >= model.Blocks)
            throw new UserException(
                $"headBlocks {headBlocks}: a head needs 1 to {model.Blocks - 1} of the {model.Blocks} blocks",
                usage: true
            );
        embedding = model.Embedding(w, compute);
        encoder = new(w / "blocks", model.Blocks - headBlocks, model);
        heads =
        [
            .. Enum.GetValues<Head>()
                .Select(h => only is null || only == h ? Make(w / Name(h)) : ((Blocks, IOutput)?)null),
        ];

        (Blocks, IOutput) Make(Weights at) => (new(at / "blocks", headBlocks, model), model.Output(at / "head"));
    }

    /// <summary>The weight prefix of a head.</summary>
    public static string Name(Head head) => head == Head.FlowMatching ? "fm_head" : "dm_head";

    /// <summary>True for weights of the shared encoder (and the embeddings before it).</summary>
    public static bool IsEncoder(string name) => !name.Contains("_head.", StringComparison.Ordinal);

    /// <summary>Reads a student's names out of a transformer's weights.</summary>
    public static Func<string, Tensor?> FromTransformer(Func<string, Tensor?> source, int layers, int headBlocks) =>
        name =>
        {
            foreach (var prefix in Enum.GetValues<Head>().Select(h => Name(h) + "."))
            {
                if (!name.StartsWith(prefix, StringComparison.Ordinal))
                    continue;
                var inside = name[prefix.Length..];
                if (!inside.StartsWith("blocks.", StringComparison.Ordinal))
                    return source(inside);
                var parts = inside.Split('.', 3);
                return source($"blocks.{layers - headBlocks + int.Parse(parts[1])}.{parts[2]}");
            }
            return source(name);
        };

    /// <summary>
    /// The encoder's state h_t (eq. 6); x, timesteps and text as in <see cref="Transformer.Forward(Tensor, Tensor,
    /// Tensor, ImageCondition?)"/>.
    /// </summary>
    public TransformerState Encode(Tensor x, Tensor timesteps, Tensor text, ImageCondition? image = null) =>
        encoder.Through(embedding.Forward(x, timesteps, text, image));

    /// <summary>
    /// Reads a prompt, text [B, L, textDim], once for many steps, for the encoder and the heads there are. Its tensors
    /// live in the current scope.
    /// </summary>
    public EncodedPrompt Prompt(Tensor text, ImageCondition? image = null) =>
        embedding.Prompt(
            text,
            image,
            encoder.InTurn().Concat(heads.OfType<(Blocks Blocks, IOutput)>().SelectMany(h => h.Blocks.InTurn()))
        );

    /// <summary>The velocity a head reads off an encoded state (eq. 7 and 8).</summary>
    public Tensor Decode(Head which, TransformerState state, Tensor x, Tensor timesteps)
    {
        var (blocks, output) = heads[(int)which]
            ?? throw new InvalidOperationException($"this student was made without its {Name(which)}");
        using var scope = torch.NewDisposeScope();
        return output.Forward(blocks.Through(state, keep: true), x, timesteps).MoveToOuterDisposeScope();
    }

    /// <summary>Encoder and one head: velocity [B, C, T, H, W], float32.</summary>
    public Tensor Forward(Head which, Tensor x, Tensor timesteps, Tensor text, ImageCondition? image = null)
    {
        using var scope = torch.NewDisposeScope();
        return Decode(which, Encode(x, timesteps, text, image), x, timesteps).MoveToOuterDisposeScope();
    }

    /// <summary>Encoder and one head with a prompt that was read before.</summary>
    public Tensor Forward(Head which, Tensor x, Tensor timesteps, EncodedPrompt prompt, ImageCondition? image = null)
    {
        using var scope = torch.NewDisposeScope();
        var state = encoder.Through(embedding.Forward(x, timesteps, prompt, image));
        return Decode(which, state, x, timesteps).MoveToOuterDisposeScope();
    }
}
