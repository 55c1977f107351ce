namespace LongTake.Torch;

/// <summary>
/// A matrix [outputs, inputs] as bytes with a scale for each output, for products on the CPU without gradients (native/int8.cpp). Tokens are rounded to
/// bytes as they come, each by its own largest number. Fast with AVX512-VNNI; elsewhere it only saves memory.
/// </summary>
public sealed class Int8Matrix : IDisposable
{
    private static readonly Op pack = new("longtake::int8_pack(weight)");
    private static readonly Op linear = new("longtake::int8_linear(x, weight, scale, zero, bias, outputs, instructions)");

    private readonly Tensor bytes, scale, zero;
    private readonly long outputs;

    /// <summary>Rounds a weight; the object owns what it makes.</summary>
    public Int8Matrix(Tensor weight)
    {
        outputs = weight.Size(0);
        using var scope = new Scope();
        using var off = GradMode.Off();
        (bytes, scale, zero) = pack.Many(weight) is [var b, var s, var z] ? (b.Unscoped(), s.Unscoped(), z.Unscoped()) : throw new TorchException("three tensors are packed");
    }

    /// <summary>Bytes in memory.</summary>
    public long Bytes => bytes.Bytes + scale.Bytes + zero.Bytes;

    /// <summary>x W^T + b of tokens x [.., inputs], float32 or bfloat16, in their type.</summary>
    public Tensor Linear(Tensor x, Tensor? bias, string instructions = "avx512") => linear.One(x, bytes, scale, zero, bias, outputs, Value.Text(instructions));

    public void Dispose()
    {
        foreach (var t in (Tensor[])[bytes, scale, zero]) t.Free();
    }
}
