using LongTake.Kernels;

namespace LongTake.Nn;

/// <summary>
/// What stands between the matrix products of a transformer: one pass over memory where a kernel of LongTake has it,
/// else (another device or type) composed of libtorch's operators.
/// </summary>
public static class Elementwise
{
    /// <summary>Layer norm of x, times (offset + scale), plus shift, in float32; the rest broadcasts.</summary>
    public static Tensor LayerNorm(Tensor x, Tensor scale, Tensor shift, double offset, double eps, ScalarType to) =>
        KernelSwitch.Takes(x) && to is ScalarType.Float32 or ScalarType.BFloat16
            ? LayerNormKernel.Forward(x, scale, shift, offset, eps, to)
            : Composed.LayerNorm(x, scale, shift, offset, eps, to);

    /// <summary>
    /// Root-mean-square norm of x [B, N, heads d] with weight [heads d]; with tables [1, N, 1 or heads, d/2], rotary
    /// positions after it.
    /// </summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps) =>
        KernelSwitch.Takes(x)
            ? RmsNormKernel.Forward(x, weight, cos, sin, eps)
            : Composed.RmsNorm(x, weight, cos, sin, eps);

    /// <summary>
    /// The residual stream x, float32, plus y times the gate. For y in float32 libtorch's operators are as fast as a
    /// kernel.
    /// </summary>
    public static Tensor GatedAdd(Tensor x, Tensor y, Tensor? gate = null) =>
        KernelSwitch.Takes(y) && y.dtype == ScalarType.BFloat16 && x.dtype == ScalarType.Float32
            ? GatedAddKernel.Forward(x, y, gate)
            : Composed.GatedAdd(x, y, gate);

    /// <summary>GELU, exact or in its tanh form; float32 inside.</summary>
    public static Tensor Gelu(Tensor x, bool tanh) =>
        tanh && KernelSwitch.Takes(x) ? GeluKernel.Forward(x) : Composed.Gelu(x, tanh);

    /// <summary>The reference: obvious and slow.</summary>
    internal static class Composed
    {
        public static Tensor LayerNorm(
            Tensor x,
            Tensor scale,
            Tensor shift,
            double offset,
            double eps,
            ScalarType to
        ) =>
            (
                torch.nn.functional.layer_norm(x.to(ScalarType.Float32), [x.size(-1)], null, null, eps)
                    * (scale.to(ScalarType.Float32) + offset)
                + shift.to(ScalarType.Float32)
            ).to(to);

        public static Tensor RmsNorm(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps)
        {
            var f = x.to(ScalarType.Float32);
            var y = (f * ((f * f).mean([-1], keepdim: true) + eps).rsqrt()).to(x.dtype) * weight.to(x.dtype);
            if (cos is null || sin is null)
                return y;
            return Rotary.Apply(y.reshape(x.size(0), x.size(1), -1, 2 * cos.size(-1)), cos, sin).reshape(x.shape);
        }

        public static Tensor Gelu(Tensor x, bool tanh) =>
            torch
                .nn.functional.gelu(
                    x.to(ScalarType.Float32),
                    tanh ? TorchSharp.Modules.GELU.Approximate.tanh : TorchSharp.Modules.GELU.Approximate.none
                )
                .to(x.dtype);

        public static Tensor GatedAdd(Tensor x, Tensor y, Tensor? gate) => gate is null ? x + y : x + y * gate;
    }
}
