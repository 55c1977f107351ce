using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Latents a transformer is called on: samples, latent frames, tokens of a frame.</summary>
public readonly record struct Sequence(double Batch, double Frames, double Places)
{
    /// <summary>Latents [batch, C, latents, height, width] of a model.</summary>
    public static Sequence Of(ModelConfig c, double batch, double latents) =>
        new(
            batch,
            latents / c.Wan.PatchSize[0],
            (double)c.Height
                / c.Vae.SpatialStride
                / c.Wan.PatchSize[1]
                * ((double)c.Width / c.Vae.SpatialStride / c.Wan.PatchSize[2])
        );

    public double Each => Frames * Places;
    public double Tokens => Batch * Each;
}

/// <summary>
/// Bytes of tensors of a Wan transformer beside its weights, in closed form: what <see cref="WanBlock"/> and the
/// operators under it hold at their fullest. <paramref name="compute"/> and <paramref name="master"/> are the bytes of
/// an activation and of a weight. On a CPU (<paramref name="threads"/> above 0) the attention kernel has workspace, and
/// products of bfloat16 may be computed in float32 (<see cref="Products"/>): their inputs and results are then copied.
/// </summary>
public sealed class WanMemory(WanConfig c, AttentionPattern pattern, double compute, double master, int threads = 0)
{
    private const double Float = 4;

    private readonly double d = c.Dim,
        f = c.FfnDim,
        l = c.TextLength;
    private readonly double product =
        threads > 0 && compute < Float && Products.Kind == ProductKind.Float32 ? Float : compute;
    private readonly AttentionMemory kernel = new(c.HeadDim, threads);

    // A whole stream of tokens in float32; the same in the activations' type; the MLP's hidden layer; either as a copy
    // for a product.
    private double Stream(Sequence s) => Float * s.Tokens * d;

    private double Activation(Sequence s) => compute * s.Tokens * d;

    private double Hidden(Sequence s) => compute * s.Tokens * f;

    private double Lifted(double numbers) => product == compute ? 0 : product * numbers;

    private double Patches(Sequence s) => Float * s.Tokens * c.PatchVolume * c.OutChannels;

    // Weights are cast to the type of the products at each call.
    private double Cast(double weights) => master == product ? 0 : product * weights;

    private double CastFloat(double weights) => master == Float ? 0 : Float * weights;

    private double SquareMaps => Cast(4 * (d * d + d));
    private double Mlp => Cast(2 * d * f + f + d);

    // Attention's largest score and sum of a query, kept for backward.
    private double Sums(Sequence s) => 2 * Float * s.Tokens * c.Heads;

    private double Workspace(Sequence s, bool backward)
    {
        double Of(double heads, double queries, double keys) =>
            backward ? kernel.Backward(heads, queries, keys) : kernel.Forward(heads, queries, keys);
        var text = Of(s.Batch * c.Heads, s.Each, l);
        var self = pattern
            .Calls(s.Batch, s.Frames, s.Places)
            .Max(call => Of(call.Sequences * call.Heads, call.Tokens, call.Tokens));
        return Math.Max(self, text);
    }

    /// <summary>Text, time, rotary tables: there from the first block to the last.</summary>
    public double Held(Sequence s) =>
        s.Batch * (28 * c.FreqDim + 40 * d)
        + CastFloat(c.FreqDim * d + 7 * d * d + 8 * d)
        + s.Batch * l * ((compute == Float ? 0 : c.TextDim * compute) + 3 * d * compute)
        + Cast(c.TextDim * d + d * d + 2 * d)
        + Lifted(s.Batch * l * (c.TextDim + d))
        + s.Each * c.HeadDim * Float * pattern.TableHeads;

    /// <summary>The most a forward without a graph holds at a time.</summary>
    public double Forward(Sequence s) =>
        Held(s)
        + Workspace(s, backward: false)
        + Math.Max(
            Blocks(s),
            Math.Max(
                2 * Stream(s) + 2 * Patches(s) + CastFloat(d * c.PatchVolume * c.OutChannels),
                2 * Stream(s) + Activation(s)
            )
        );

    /// <summary>The most one block without a graph holds, its input among it.</summary>
    private double Blocks(Sequence s)
    {
        var (x, p, lifted) = (Stream(s), Activation(s), Lifted(s.Tokens * d));
        var keys = 3 * compute * s.Batch * l * d + Lifted(4 * s.Batch * l * d);
        var attention = 2 * x + 8 * p + Sums(s) + 8 * lifted + SquareMaps;
        var cross = 3 * x + keys + 5 * p + Sums(s) + 4 * lifted + SquareMaps;
        return Math.Max(
            attention,
            Math.Max(cross, 3 * x + 2 * p + 2 * Hidden(s) + 2 * lifted + 2 * Lifted(s.Tokens * f) + Mlp)
        );
    }

    // Of each part what its functions save: norms their input and 8 or 4 bytes a token, linear layers their input and
    // the cast weight, attention its inputs, result and sums, GELU its input, gates what they multiply.
    private double SavedMlp(Sequence s) =>
        Stream(s) + 2 * Activation(s) + 2 * Hidden(s) + 8 * s.Tokens + Mlp + Lifted(s.Tokens * (d + f));

    private double SavedCross(Sequence s) =>
        Stream(s)
        + 4 * Activation(s)
        + 12 * s.Tokens
        + Sums(s)
        + s.Batch * l * (3 * d * compute + 4)
        + SquareMaps
        + Lifted(2 * (s.Tokens + s.Batch * l) * d);

    private double SavedAttention(Sequence s) =>
        Stream(s)
        + 8 * Activation(s)
        + 16 * s.Tokens
        + Sums(s)
        + SquareMaps
        + s.Batch * 6 * d * Float
        + Lifted(4 * s.Tokens * d);

    /// <summary>
    /// What a block keeps for backward: three streams of tokens, fourteen of activations, two hidden layers;
    /// recomputed, its input.
    /// </summary>
    public double Saved(Sequence s, bool recompute) =>
        recompute ? Stream(s) : SavedAttention(s) + SavedCross(s) + SavedMlp(s);

    /// <summary>
    /// The most that backward through a block has beyond what is kept, its weights' gradients not among it.
    /// </summary>
    private double Backward(Sequence s, bool recompute)
    {
        var (x, p) = (Stream(s), Activation(s));
        var mlp = x + p + Hidden(s) + d * f * (master == product ? 0 : product) + Lifted(s.Tokens * f);
        var attention = x + 4 * p - SavedMlp(s) - SavedCross(s);
        return Math.Max(mlp, attention) + Workspace(s, backward: true) + (recompute ? Saved(s, false) : 0);
    }

    /// <summary>
    /// Activations and gradients at their fullest in one forward and backward over <paramref name="layers"/> blocks.
    /// Gradients of the weights, 4 bytes each, appear as activations go, or are all <paramref name="present"/> from an
    /// earlier micro-batch.
    /// </summary>
    public (double Kept, double Working, double Gradients) Training(
        Sequence s,
        int layers,
        bool recompute,
        double blockWeights,
        double otherWeights,
        bool present
    )
    {
        var all = Float * (layers * blockWeights + otherWeights);
        var (saved, x) = (Saved(s, recompute), Stream(s));
        var best = (Kept: Held(s) + layers * saved, Working: 4 * x + 4 * Patches(s), Gradients: present ? all : 0);
        for (var k = layers; k >= 1; k--)
        {
            var now = (
                Kept: Held(s) + k * saved,
                Working: Backward(s, recompute),
                Gradients: present ? all : Float * ((layers - k + 1) * blockWeights)
            );
            if (now.Kept + now.Working + now.Gradients > best.Kept + best.Working + best.Gradients)
                best = now;
        }
        return best.Kept + best.Working + best.Gradients > all ? best : (0, 0, all);
    }
}
