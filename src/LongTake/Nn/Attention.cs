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

    /// <summary>
    /// q, k, v [B, T*S, heads, d] in (time, place) order: the first half of the heads see their own place at all times, the
    /// rest all places of their own time. Cost T^2 S + T S^2 where full attention has T^2 S^2.
    /// </summary>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames)
    {
        var (b, n, heads, d) = q;
        var (places, half) = (n / frames, heads / 2);
        Tensor Part(Tensor x, long from, long count) => Narrow(x, 2, from, count).Reshape(b, frames, places, count, d);
        Tensor Time(Tensor x) => Part(x, 0, half).Transpose(1, 2).Reshape(b * places, frames, half, d);
        Tensor Space(Tensor x) => Part(x, half, heads - half).Reshape(b * frames, places, heads - half, d);
        var time = Full(Time(q), Time(k), Time(v)).Reshape(b, places, frames, half, d).Transpose(1, 2).Reshape(b, n, half, d);
        var space = Full(Space(q), Space(k), Space(v)).Reshape(b, n, heads - half, d);
        return Cat([time, space], 2);
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
