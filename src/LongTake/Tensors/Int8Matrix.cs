namespace LongTake.Tensors;

/// <summary>
/// A matrix [outputs, inputs] stored as int8 with a float32 scale for each output: a quarter of the memory of float32.
/// It is widened for each product and let go again, so a network holds one widened matrix at a time. Without gradients.
/// </summary>
public sealed class Int8Matrix : IDisposable
{
    private readonly Tensor values,
        scale;

    /// <summary>
    /// Rounds a weight [outputs, inputs]; a row's largest number becomes 127. The object owns what it makes.
    /// </summary>
    public Int8Matrix(Tensor weight)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var w = weight.to(ScalarType.Float32);
        scale = (w.abs().amax([1], keepdim: true) / 127).clamp_min(1e-30).DetachFromDisposeScope();
        values = (w / scale).round().to(ScalarType.Int8).DetachFromDisposeScope();
    }

    /// <summary>Bytes in memory.</summary>
    public long Bytes => values.Bytes + scale.Bytes;

    /// <summary>The matrix in float32, in the current scope.</summary>
    public Tensor Widened()
    {
        using var scope = torch.NewDisposeScope();
        return (values.to(ScalarType.Float32) * scale).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        values.Dispose();
        scale.Dispose();
    }
}
