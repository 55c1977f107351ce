namespace LongTake.Nn;

/// <summary>Softmax attention, scale 1/sqrt(d).</summary>
public static class Attention
{
    private static readonly Lazy<Op?> fused = new(() => Op.Exists("aten::scaled_dot_product_attention")
        ? new("aten::scaled_dot_product_attention(query, key, value)") : null);
    private static readonly Op own = new("longtake::attention(query, key, value, scale, from, until, instructions, pairs)");
    private static readonly Op ownAxial = new("longtake::axial_attention(query, key, value, scale, frames, instructions, pairs)");

    /// <summary>
    /// q [B, N, heads, d], k and v [B, M, heads, d] -> [B, N, heads, d]; a query without any visible key gives 0. Without a
    /// mask libtorch's fused kernel where there is one; on a CPU else our own (native/attention.cpp), which skips what is
    /// hidden; both in memory that grows with N + M. Elsewhere the product over blocks of queries.
    /// </summary>
    /// <exception cref="UserException">The mask is made for other sizes.</exception>
    public static Tensor Full(Tensor q, Tensor k, Tensor v, AttentionMask? mask = null)
    {
        mask?.Check(q, k);
        if (mask is null && fused.Value is { } op) return op.One(q.Transpose(1, 2), k.Transpose(1, 2), v.Transpose(1, 2)).Transpose(1, 2);
        return q.Device == "cpu" && q.Dtype is Dtype.F32 or Dtype.BF16 ? Kernel(q, k, v, mask) : InBlocks(q, k, v, MaxScores, mask);
    }

    /// <summary>
    /// q, k, v [B, T*S, heads, d] in (time, place) order: the first half of the heads see their own place at all times, the
    /// rest all places of their own time. Cost T^2 S + T S^2 where full attention has T^2 S^2.
    /// </summary>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames) =>
        q.Device == "cpu" && q.Dtype is Dtype.F32 or Dtype.BF16 ? AxialKernel(q, k, v, frames) : Axial(q, k, v, frames, frames, (x, y, z) => Full(x, y, z));

    /// <summary>
    /// The same where the queries are of the last <paramref name="frames"/> of <paramref name="keyFrames"/>, as when earlier keys are cached,
    /// and heads along time see by <paramref name="time"/>: [B * S, T, heads/2, d] each, a frame one token.
    /// </summary>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames, int keyFrames, Func<Tensor, Tensor, Tensor, Tensor> time)
    {
        var (b, n, heads, d) = q;
        var (places, half) = (n / frames, heads / 2);
        Tensor Part(Tensor x, long from, long count) => Narrow(x, 2, from, count).Reshape(b, -1, places, count, d);
        Tensor Time(Tensor x) => Part(x, 0, half).Transpose(1, 2).Reshape(b * places, -1, half, d);
        Tensor Space(Tensor x) => Part(x, half, heads - half).Reshape(-1, places, heads - half, d);
        Tensor Own(Tensor x) => frames == keyFrames ? x : Narrow(x, 1, (keyFrames - frames) * places, n);
        var along = time(Time(q), Time(k), Time(v)).Reshape(b, places, frames, half, d).Transpose(1, 2).Reshape(b, n, half, d);
        var within = Full(Space(q), Space(Own(k)), Space(Own(v))).Reshape(b, n, heads - half, d);
        return Cat([along, within], 2);
    }

    /// <summary>Both axes where the tokens lie, without a copy; what is said of <see cref="Kernel"/> holds.</summary>
    internal static Tensor AxialKernel(Tensor q, Tensor k, Tensor v, int frames, string instructions = "avx512", bool? pairs = null) =>
        ownAxial.One(q, k, v, 1 / Math.Sqrt(q.Size(-1)), frames, Value.Text(instructions), Optional(pairs));

    /// <summary>
    /// Our kernel; float32 or bfloat16 on a CPU, no second derivative. <paramref name="instructions"/>: at most plain, avx2 or
    /// avx512, as far as the processor has them. <paramref name="pairs"/>: numbers of bfloat16 are multiplied as pairs of them, where there are such
    /// instructions, or as floats; null leaves it to the processor's rates.
    /// </summary>
    internal static Tensor Kernel(Tensor q, Tensor k, Tensor v, AttentionMask? mask = null, string instructions = "avx512", bool? pairs = null) =>
        own.One(q, k, v, 1 / Math.Sqrt(q.Size(-1)), mask?.From, mask?.Until, Value.Text(instructions), Optional(pairs));

    private static Value Optional(bool? flag) => flag is { } given ? given : Value.None;

    /// <summary>The same, with at most <paramref name="maxScores"/> scores at a time (or those of one query).</summary>
    internal static Tensor InBlocks(Tensor q, Tensor k, Tensor v, long maxScores, AttentionMask? mask = null)
    {
        var (qh, keys, vh) = (q.Transpose(1, 2), k.Permute(0, 2, 3, 1), v.Transpose(1, 2));
        var scale = 1 / Math.Sqrt(q.Size(-1));
        var queries = q.Size(1);
        var block = Math.Clamp(maxScores / (k.Size(1) * q.Size(0) * q.Size(2)), 1, queries);
        var parts = new List<Tensor>();
        for (long at = 0; at < queries; at += block)
        {
            var size = Math.Min(block, queries - at);
            var scores = MatMul(Narrow(qh, 2, at, size) * scale, keys);
            if (mask is null)
            {
                parts.Add(MatMul(Softmax(scores, -1), vh));
                continue;
            }
            var hidden = mask.Hidden(at, size).To(q.Device);
            parts.Add(MatMul(MaskedFill(Softmax(MaskedFill(scores, hidden, -1e30), -1), hidden, 0), vh));
        }
        return (parts.Count == 1 ? parts[0] : Cat(parts.ToArray(), 2)).Transpose(1, 2);
    }

    private const long MaxScores = 1 << 25;
}
