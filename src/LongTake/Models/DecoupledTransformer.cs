using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
namespace LongTake.Models;

/// <summary>
/// Which head of the student speaks: mean seeking (flow matching) or mode seeking (distribution matching).
/// </summary>
public enum Head
{
    FlowMatching,
    DistributionMatching,
}

/// <summary>
/// The student: a Wan transformer cut in a shared encoder (the first L - H blocks) and two heads, each a copy of the
/// last H blocks with Wan's output head (MMM eq. 6-8; method option A: at the start both heads are exactly Wan). Names:
/// the encoder's are Wan's; the heads' are fm_head.* and dm_head.* with blocks.0 .. blocks.H-1 and head.
/// </summary>
public sealed class DecoupledTransformer
{
    private readonly WanConfig config;
    private readonly WanEmbedding embedding;
    private readonly WanBlocks encoder;
    private readonly (WanBlocks Blocks, WanHead Out)?[] heads;

    /// <summary>
    /// With <paramref name="only"/>, the other head is neither made nor read (inference needs the DM head alone).
    /// </summary>
    public DecoupledTransformer(
        Weights w,
        WanConfig c,
        int headBlocks,
        ScalarType compute = ScalarType.BFloat16,
        Head? only = null
    )
    {
        if (headBlocks < 1 || headBlocks >= c.Layers)
            throw new UserException(
                $"headBlocks {headBlocks}: a head needs 1 to {c.Layers - 1} of the {c.Layers} blocks",
                usage: true
            );
        config = c;
        embedding = new WanEmbedding(w, c, compute);
        encoder = new WanBlocks(w / "blocks", c.Layers - headBlocks, c);
        heads =
        [
            .. Enum.GetValues<Head>()
                .Select(h => only is null || only == h ? Make(w / Name(h)) : ((WanBlocks, WanHead)?)null),
        ];

        (WanBlocks, WanHead) Make(Weights at) =>
            (new WanBlocks(at / "blocks", headBlocks, c), new WanHead(at / "head", c));
    }

    /// <summary>The weight prefix of a head.</summary>
    public static string Name(Head head) => head == Head.FlowMatching ? "fm_head" : "dm_head";

    /// <summary>True for weights of the shared encoder (and the embeddings before it).</summary>
    public static bool IsEncoder(string name) => !name.Contains("_head.", StringComparison.Ordinal);

    /// <summary>Reads a student's names out of a Wan transformer's weights.</summary>
    public static Func<string, Tensor?> FromWan(Func<string, Tensor?> wan, int layers, int headBlocks) =>
        name =>
        {
            foreach (var prefix in Enum.GetValues<Head>().Select(h => Name(h) + "."))
            {
                if (!name.StartsWith(prefix, StringComparison.Ordinal))
                    continue;
                var inside = name[prefix.Length..];
                if (!inside.StartsWith("blocks.", StringComparison.Ordinal))
                    return wan(inside);
                var parts = inside.Split('.', 3);
                return wan($"blocks.{layers - headBlocks + int.Parse(parts[1])}.{parts[2]}");
            }
            return wan(name);
        };

    /// <summary>
    /// The encoder's state h_t (eq. 6); x, timesteps and text as in <see cref="WanTransformer.Forward"/>.
    /// </summary>
    public WanState Encode(Tensor x, Tensor timesteps, Tensor text, WanImage? image = null) =>
        WanBlock.Through(encoder.InTurn(), embedding.Forward(x, timesteps, text, image));

    /// <summary>The same of a prompt that was read before.</summary>
    public WanState Encode(Tensor x, Tensor timesteps, WanPrompt prompt, WanImage? image = null) =>
        WanBlock.Through(encoder.InTurn(), embedding.Forward(x, timesteps, prompt, image));

    /// <summary>
    /// Reads a prompt, text [B, L, textDim], once for many steps, for the encoder and the heads there are. Its tensors
    /// live in the current scope.
    /// </summary>
    public WanPrompt Prompt(Tensor text, WanImage? image = null) =>
        embedding.Prompt(
            text,
            image,
            encoder.InTurn().Concat(heads.OfType<(WanBlocks Blocks, WanHead Out)>().SelectMany(h => h.Blocks.InTurn()))
        );

    /// <summary>The velocity a head reads off an encoded state (eq. 7 and 8).</summary>
    public Tensor Decode(Head which, WanState state, Tensor x, Tensor timesteps)
    {
        var (blocks, output) = heads[(int)which]
            ?? throw new InvalidOperationException($"this student was made without its {Name(which)}");
        using var scope = torch.NewDisposeScope();
        return WanTransformer
            .Velocity(config, output.Forward(WanBlock.Through(blocks.InTurn(), state, keep: true)), x, timesteps)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Encoder and one head: velocity [B, C, T, H, W], float32.</summary>
    public Tensor Forward(Head which, Tensor x, Tensor timesteps, Tensor text, WanImage? image = null)
    {
        using var scope = torch.NewDisposeScope();
        return Decode(which, Encode(x, timesteps, text, image), x, timesteps).MoveToOuterDisposeScope();
    }

    /// <summary>The same of a prompt that was read before.</summary>
    public Tensor Forward(Head which, Tensor x, Tensor timesteps, WanPrompt prompt, WanImage? image = null)
    {
        using var scope = torch.NewDisposeScope();
        return Decode(which, Encode(x, timesteps, prompt, image), x, timesteps).MoveToOuterDisposeScope();
    }
}
