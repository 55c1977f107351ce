namespace LongTake.Nn;

/// <summary>Softmax attention, scale 1/sqrt(d).</summary>
public static class Attention
{
    private static readonly Lazy<Op?> fused = new(() => Op.Exists("aten::scaled_dot_product_attention")
        ? new("aten::scaled_dot_product_attention(query, key, value)") : null);

    /// <summary>
    /// q [B, N, heads, d], k and v [B, M, heads, d] -> [B, N, heads, d]. libtorch's fused kernel where there is one, else
    /// the product over blocks of queries, so that the scores in memory stay bounded.
    /// </summary>
    public static Tensor Full(Tensor q, Tensor k, Tensor v)
    {
        if (fused.Value is not { } op) return InBlocks(q, k, v, MaxScores);
        return op.One(q.Transpose(1, 2), k.Transpose(1, 2), v.Transpose(1, 2)).Transpose(1, 2);
    }

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
