namespace LongTake.Nn;

/// <summary>
/// x W^T + b in the element type of x (weights are cast at use, so a float32 master trains a bfloat16 product).
/// </summary>
public sealed class Linear(Weights w, long inputs, long outputs, bool bias = true, double? std = null)
{
    private readonly Tensor weight = w.Parameter(
        "weight",
        [outputs, inputs],
        std ?? Math.Sqrt(2.0 / (inputs + outputs))
    );
    private readonly Tensor? shift = bias ? w.Parameter("bias", [outputs]) : null;
    private readonly Int8Matrix? bytes = w.Int8("weight");

    public Tensor Forward(Tensor x)
    {
        if (bytes is null)
            return Products.Linear(x, weight, shift);
        using var wide = bytes.Widened();
        return Products.Linear(x, wide, shift);
    }
}

/// <summary>Layer norm with learned scale and shift, computed in float32; out comes the type asked for.</summary>
public sealed class AffineLayerNorm(Weights w, long width, double eps)
{
    private readonly Tensor weight = w.Parameter("weight", [width], mean: 1),
        bias = w.Parameter("bias", [width]);

    public Tensor Forward(Tensor x, ScalarType to) => Elementwise.LayerNorm(x, weight, bias, 0, eps, to);
}

/// <summary>
/// Root-mean-square norm over the last dimension, in float32 inside; with tables, rotary positions over the heads after
/// it.
/// </summary>
public sealed class RmsNorm(Weights w, long width, double eps)
{
    private readonly Tensor weight = w.Parameter("weight", [width], mean: 1);

    public Tensor Forward(Tensor x, Tensor? cos = null, Tensor? sin = null) =>
        Elementwise.RmsNorm(x, weight, cos, sin, eps);
}
