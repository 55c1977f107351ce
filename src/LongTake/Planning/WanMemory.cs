using LongTake.Models;

namespace LongTake.Planning;

/// <summary>Latents a transformer is called on: samples, latent frames, tokens of a frame.</summary>
public readonly record struct Sequence(double Batch, double Frames, double Places)
{
    /// <summary>Latents [batch, C, latents, height, width] of a model.</summary>
    public static Sequence Of(ModelConfig c, double batch, double latents) => new(batch, latents / c.Wan.PatchSize[0],
        (double)c.Height / c.Vae.SpatialStride / c.Wan.PatchSize[1] * ((double)c.Width / c.Vae.SpatialStride / c.Wan.PatchSize[2]));

    public double Each => Frames * Places;
    public double Tokens => Batch * Each;
}

/// <summary>
/// Bytes of tensors of a Wan transformer beside its weights, in closed form: what <see cref="WanBlock"/> and the operators under it
/// hold at their fullest. <paramref name="compute"/> and <paramref name="master"/> are the bytes of a number in products and in the
/// weights; different ones mean copies of the weights in use. The attention kernel of the CPU has workspace for each of its
/// <paramref name="threads"/> (0: one a core); on a GPU there is less of it.
/// </summary>
public sealed class WanMemory(WanConfig c, double compute, double master, int threads = 0)
{
    private const double Float = 4;

    private readonly double d = c.Dim, f = c.FfnDim, l = c.TextLength;

    // A whole stream of tokens in float32; the same in the products' type; the MLP's hidden layer.
    private double Stream(Sequence s) => Float * s.Tokens * d;
    private double Products(Sequence s) => compute * s.Tokens * d;
    private double Hidden(Sequence s) => compute * s.Tokens * f;
    private double Patches(Sequence s) => Float * s.Tokens * c.PatchVolume * c.OutChannels;

    private double Cast(double weights) => master == compute ? 0 : compute * weights;
    private double CastFloat(double weights) => master == Float ? 0 : Float * weights;

    private double SquareMaps => Cast(4 * (d * d + d));
    private double Mlp => Cast(2 * d * f + f + d);

    private readonly AttentionMemory kernel = new(c.HeadDim, compute, threads);

    private double Packed(Sequence s, double keys) => kernel.Forward(s.Batch * c.Heads, s.Each, keys);

    // Attention's logarithms of sums, kept for backward.
    private double Sums(Sequence s) => Float * s.Tokens * c.Heads;

    private double PackedBackward(Sequence s) => kernel.Backward(s.Batch * c.Heads, s.Each, s.Each);

    /// <summary>Text, time, rotary tables: there from the first block to the last.</summary>
    public double Held(Sequence s) =>
        s.Batch * (28 * c.FreqDim + 40 * d) + CastFloat(c.FreqDim * d + 7 * d * d + 8 * d)
        + s.Batch * l * ((compute == Float ? 0 : c.TextDim * compute) + 3 * d * compute) + Cast(c.TextDim * d + d * d + 2 * d)
        + s.Each * c.HeadDim * Float * (c.AxialAttention ? c.Heads : 1);

    /// <summary>The most a forward without a graph holds at a time.</summary>
    public double Forward(Sequence s) => Held(s) + Math.Max(Blocks(s), Math.Max(2 * Stream(s) + 2 * Patches(s) + CastFloat(d * c.PatchVolume * c.OutChannels), 2 * Stream(s) + Products(s)));

    /// <summary>The most one block without a graph holds, its input among it.</summary>
    private double Blocks(Sequence s)
    {
        var (x, p) = (Stream(s), Products(s));
        var keys = 3 * compute * s.Batch * l * d;
        var attention = x + Math.Max(7 * p + Packed(s, s.Each) + Sums(s), 8 * p + x) + SquareMaps;
        var cross = 2 * x + keys + Math.Max(4 * p + Packed(s, l) + Sums(s), 5 * p + x) + SquareMaps;
        return Math.Max(attention, Math.Max(cross, 3 * x + 2 * p + 2 * Hidden(s) + Mlp));
    }

    private double SavedMlp(Sequence s) => Stream(s) + 2 * Products(s) + 2 * Hidden(s) + 8 * s.Tokens + Mlp;
    private double SavedCross(Sequence s) => Stream(s) + 5 * Products(s) + 12 * s.Tokens + Sums(s) + s.Batch * l * (3 * d * compute + 4) + SquareMaps;
    private double SavedAttention(Sequence s) => Stream(s) + 8 * Products(s) + 16 * s.Tokens + Sums(s) + SquareMaps + s.Batch * 6 * d * Float;

    /// <summary>What a block keeps for backward: three streams of tokens, fifteen of products, two hidden layers; recomputed, its input.</summary>
    public double Saved(Sequence s, bool recompute) => recompute ? Stream(s) : SavedAttention(s) + SavedCross(s) + SavedMlp(s);

    /// <summary>The most that backward through a block has beyond what is kept, its weights' gradients not among it.</summary>
    private double Backward(Sequence s, bool recompute)
    {
        var (x, p) = (Stream(s), Products(s));
        var mlp = x + p + Hidden(s) + d * f * (master == compute ? 0 : compute);
        var attention = x + 4 * p + PackedBackward(s) - SavedMlp(s) - SavedCross(s);
        return Math.Max(mlp, attention) + (recompute ? Saved(s, false) - x : 0);
    }

    /// <summary>
    /// Activations and gradients at their fullest in one forward and backward over <paramref name="layers"/> blocks. Gradients of the
    /// weights, 4 bytes each, appear as activations go, or are all <paramref name="present"/> from an earlier micro-batch.
    /// </summary>
    public (double Kept, double Working, double Gradients) Training(Sequence s, int layers, bool recompute, double blockWeights, double otherWeights, bool present)
    {
        var all = Float * (layers * blockWeights + otherWeights);
        var (saved, x) = (Saved(s, recompute), Stream(s));
        var best = (Kept: Held(s) + layers * saved, Working: 4 * x + 4 * Patches(s), Gradients: present ? all : 0);
        for (var k = layers; k >= 1; k--)
        {
            var now = (Kept: Held(s) + k * saved, Working: Backward(s, recompute), Gradients: present ? all : Float * ((layers - k + 1) * blockWeights));
            if (now.Kept + now.Working + now.Gradients > best.Kept + best.Working + best.Gradients) best = now;
        }
        return best.Kept + best.Working + best.Gradients > all ? best : (0, 0, all);
    }
}
