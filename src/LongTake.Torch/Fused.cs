namespace LongTake.Torch;

/// <summary>
/// The operators of native/norms.cpp, elementwise.cpp and optimiser.cpp: what a transformer does between its matrix products, in one pass each, with gradients
/// (once: no gradients of gradients). On the CPU, float32 or bfloat16; float32 inside.
/// </summary>
public static class Fused
{
    private static readonly Op layerNorm = new("longtake::layer_norm(x, scale, shift, offset, eps, dtype)");
    private static readonly Op rmsNorm = new("longtake::rms_norm(x, weight, cos, sin, eps)");
    private static readonly Op gatedAdd = new("longtake::gated_add(x, y, gate)");
    private static readonly Op gelu = new("longtake::gelu(x)");
    private static readonly Op adamw_ = new("longtake::adamw_(p, g, m, v, lr, beta1, beta2, decay, step)");

    /// <summary>Whether these operators are for a tensor of this type and place.</summary>
    public static bool Takes(Tensor x) => x.Dtype is Dtype.F32 or Dtype.BF16 && x.Device == "cpu";

    /// <summary>
    /// norm(x) (offset + scale) + shift over the last dimension. Scale and shift have the sizes of x up to some dimension and
    /// ones after it, but for the last.
    /// </summary>
    public static Tensor LayerNorm(Tensor x, Tensor scale, Tensor shift, double offset, double eps, Dtype to) =>
        layerNorm.One(x, scale, shift, offset, eps, to);

    /// <summary>Root-mean-square norm of x [.., N, heads d] with weight; then, with tables of N (heads) d/2 cosines and sines, rotary positions.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps) => rmsNorm.One(x, weight, cos, sin, eps);

    /// <summary>x + y gate in float32; the gate as scale and shift of the layer norm, or none.</summary>
    public static Tensor GatedAdd(Tensor x, Tensor y, Tensor? gate) => gatedAdd.One(x, y, gate);

    /// <summary>GELU in its tanh form.</summary>
    public static Tensor Gelu(Tensor x) => gelu.One(x);

    /// <summary>One step of AdamW, the <paramref name="step"/>th from 1, on a float32 parameter.</summary>
    public static void AdamW_(Tensor p, Tensor g, Tensor m, Tensor v, double lr, double beta1, double beta2, double decay, long step) =>
        adamw_.Run(p, g, m, v, lr, beta1, beta2, decay, step);
}
