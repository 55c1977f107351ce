namespace LongTake.Nn;

/// <summary>Softmax attention, scale 1/sqrt(d).</summary>
public static class Attention
{
    private static readonly Lazy<Op?> fused = new(() => Op.Exists("aten::scaled_dot_product_attention")
        ? new("aten::scaled_dot_product_attention(query, key, value)") : null);
    private static readonly Op own = new("longtake::attention(query, key, value, scale)");

    /// <summary>
    /// q [B, N, heads, d], k and v [B, M, heads, d] -> [B, N, heads, d]. libtorch's fused kernel where there is one, on a CPU
    /// else our own (native/attention.cpp), both in memory that grows with N + M; else the product over blocks of queries.
    /// </summary>
    public static Tensor Full(Tensor q, Tensor k, Tensor v)
    {
        if (fused.Value is { } op) return op.One(q.Transpose(1, 2), k.Transpose(1, 2), v.Transpose(1, 2)).Transpose(1, 2);
        return q.Device == "cpu" && q.Dtype is Dtype.F32 or Dtype.BF16 ? Kernel(q, k, v) : InBlocks(q, k, v, MaxScores);
    }

    /// <summary>Our kernel; float32 or bfloat16 on a CPU. The second derivative does not exist.</summary>
    internal static Tensor Kernel(Tensor q, Tensor k, Tensor v) => own.One(q, k, v, 1 / Math.Sqrt(q.Size(-1)));

    /// <summary>The same, with at most <paramref name="maxScores"/> scores at a time (or those of one query).</summary>
    internal static Tensor InBlocks(Tensor q, Tensor k, Tensor v, long maxScores)
    {
        var (qh, keys, vh) = (q.Transpose(1, 2), k.Permute(0, 2, 3, 1), v.Transpose(1, 2));
        var scale = 1 / Math.Sqrt(q.Size(-1));
        var queries = q.Size(1);
        var block = Math.Max(1, maxScores / (k.Size(1) * q.Size(0) * q.Size(2)));
        if (block >= queries) return MatMul(Softmax(MatMul(qh * scale, keys), -1), vh).Transpose(1, 2);
        var parts = new List<Tensor>();
        for (long at = 0; at < queries; at += block)
        {
            var part = Narrow(qh, 2, at, Math.Min(block, queries - at));
            parts.Add(MatMul(Softmax(MatMul(part * scale, keys), -1), vh));
        }
        return Cat(parts.ToArray(), 2).Transpose(1, 2);
    }

    private const long MaxScores = 1 << 25;
}
