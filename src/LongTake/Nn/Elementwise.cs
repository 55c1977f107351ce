namespace LongTake.Nn;

/// <summary>
/// What stands between the matrix products of a transformer: one pass over memory where <see cref="Fused"/> has it, else
/// (another device or type) composed of libtorch's operators.
/// </summary>
public static class Elementwise
{
    /// <summary>Layer norm of x, times (offset + scale), plus shift, in float32; the rest broadcasts.</summary>
    public static Tensor LayerNorm(Tensor x, Tensor scale, Tensor shift, double offset, double eps, Dtype to) =>
        Fused.Takes(x) && to is Dtype.F32 or Dtype.BF16 ? Fused.LayerNorm(x, scale, shift, offset, eps, to)
        : Composed.LayerNorm(x, scale, shift, offset, eps, to);

    /// <summary>Root-mean-square norm of x [B, N, heads d] with weight [heads d]; with tables [1, N, 1 or heads, d/2], rotary positions after it.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps) =>
        Fused.Takes(x) ? Fused.RmsNorm(x, weight, cos, sin, eps) : Composed.RmsNorm(x, weight, cos, sin, eps);

    /// <summary>The residual stream x, float32, plus y times the gate.</summary>
    public static Tensor GatedAdd(Tensor x, Tensor y, Tensor? gate = null) =>
        Fused.Takes(y) && x.Dtype == Dtype.F32 ? Fused.GatedAdd(x, y, gate) : Composed.GatedAdd(x, y, gate);

    /// <summary>The same, obvious and slow.</summary>
    internal static class Composed
    {
        public static Tensor LayerNorm(Tensor x, Tensor scale, Tensor shift, double offset, double eps, Dtype to) =>
            (Ops.LayerNorm(x.To(Dtype.F32), x.Size(-1), null, null, eps) * (scale.To(Dtype.F32) + offset) + shift.To(Dtype.F32)).To(to);

        public static Tensor RmsNorm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps)
        {
            var f = x.To(Dtype.F32);
            var y = (f * Rsqrt(Mean(f * f, [-1], keepdim: true) + eps)).To(x.Dtype) * weight.To(x.Dtype);
            if (cos is null || sin is null) return y;
            return Rotary.Apply(y.Reshape(x.Size(0), x.Size(1), -1, 2 * cos.Size(-1)), cos, sin).Reshape(x.Shape);
        }

        public static Tensor GatedAdd(Tensor x, Tensor y, Tensor? gate) => gate is null ? x + y : x + y * gate;
    }
}
