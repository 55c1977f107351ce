namespace LongTake.Torch;

/// <summary>
/// The operators of native/conv.cpp for causal video networks: on the CPU, float32 or bfloat16 (float32 inside), without gradients.
/// Tensors are [B, C, T, H, W] with their memory channels last, [B, T, H, W, C], or where channels in and out are at most 16 channels first;
/// others are brought into that order.
/// </summary>
public static class Convolution
{
    private static readonly Op causal = new("longtake::causal_conv(x, before, weight, bias, add, doubled, pairs, instructions)");
    private static readonly Op norm = new("longtake::pixel_norm(x, gamma, silu, instructions)");

    /// <summary>Whether these operators are for x: no gradient may be asked of it or of the weight.</summary>
    public static bool Takes(Tensor x, Tensor weight) => x.Device == "cpu" && x.Dtype is Dtype.F32 or Dtype.BF16 && !x.RequiresGrad && !weight.RequiresGrad;

    /// <summary>
    /// Convolution with weight [outer, C, 1 or 3, k, k], k 1 or 3, and bias [outer]; stride 1, zeros around the picture. A kernel of three frames
    /// sees the two of <paramref name="before"/> (zeros without them) and then those of x. <paramref name="doubled"/>: of x with twice
    /// the height and width, each pixel repeated. <paramref name="pairs"/>: the first half of the output channels are the first of two frames, the other
    /// half the second. <paramref name="add"/> is added to the result. The weight is packed at its first use, again if it was changed, and let go with it.
    /// </summary>
    public static Tensor Causal(Tensor x, Tensor? before, Tensor weight, Tensor bias, Tensor? add = null, bool doubled = false, bool pairs = false,
        string instructions = "avx512") => causal.One(x, before, weight, bias, add, doubled, pairs, Value.Text(instructions));

    /// <summary>Each pixel's channels divided by their norm, times gamma [C]; then SiLU if wanted.</summary>
    public static Tensor PixelNorm(Tensor x, Tensor gamma, bool silu, string instructions = "avx512") => norm.One(x, gamma, silu, Value.Text(instructions));
}
