namespace LongTake.Tensors;

/// <summary>
/// A tensor that is read when it is wanted: dtype and shape are known, <see cref="Read"/> puts a copy into the current
/// scope. Renaming, casting and adding to weights are functions over lists of these, so one tensor at a time is in
/// memory.
/// </summary>
public sealed record LazyTensor(string Name, ScalarType Dtype, long[] Shape, Func<Tensor> Read)
{
    /// <summary>
    /// The form it has in its file, F8_E4M3, where that is another than <see cref="Dtype"/>, in which it is read.
    /// </summary>
    public string? Stored { get; init; }

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>Bytes of the elements.</summary>
    public long Bytes => Count * Tensor.SizeOf(Dtype);

    /// <summary>
    /// Whether a tensor can have this shape: at most 8 dimensions, and 64 bits count its elements even where a size is
    /// 0.
    /// </summary>
    internal static bool Fits(ReadOnlySpan<long> shape)
    {
        Int128 count = 1;
        foreach (var n in shape)
            if (n < 0 || (count *= Math.Max(1, n)) > long.MaxValue / 8)
                return false;
        return shape.Length <= 8;
    }
}
