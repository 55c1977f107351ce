using LongTake.Kernels;

namespace LongTake.Nn;

/// <summary>Softmax attention, scale 1/sqrt(d).</summary>
public static class Attention
{
    /// <summary>
    /// q [B, N, heads, d], k and v [B, M, heads, d] -> [B, N, heads, d]; a query without any visible key gives 0.
    /// Without a mask libtorch's fused kernel where there is one; on a CPU our own kernel, which
    /// skips what is hidden; both in memory that grows with N + M. Elsewhere the product over blocks of queries.
    /// </summary>
    /// <exception cref="UserException">The mask is made for other sizes.</exception>
    public static Tensor Full(Tensor q, Tensor k, Tensor v, AttentionMask? mask = null)
    {
        mask?.Check(q, k);
        if (AttentionKernel.Takes(q) && AttentionKernel.Takes(k))
            return AttentionKernel.Full(q, k, v, mask?.From, mask?.Until);
        if (mask is not null)
            return InBlocks(q, k, v, MaxScores, mask);
        return torch
            .nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
            .transpose(1, 2);
    }

    /// <summary>
    /// q, k, v [B, T*S, heads, d] in (time, place) order: the first half of the heads see their own place at all times,
    /// the rest all places of their own time. Cost T^2 S + T S^2 where full attention has T^2 S^2.
    /// </summary>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames) =>
        AttentionKernel.Takes(q)
            ? AttentionKernel.Axial(q, k, v, frames)
            : Axial(q, k, v, frames, frames, (x, y, z) => Full(x, y, z));

    /// <summary>
    /// Axial attention where the queries are of the last <paramref name="frames"/> of <paramref name="keyFrames"/>, as
    /// when earlier keys are cached, and heads along time see by <paramref name="time"/>: [B * S, T, heads/2, d] each,
    /// a frame one token.
    /// </summary>
    public static Tensor Axial(
        Tensor q,
        Tensor k,
        Tensor v,
        int frames,
        int keyFrames,
        Func<Tensor, Tensor, Tensor, Tensor> time
    )
    {
        var (b, n, heads, d) = q;
        var (places, half) = (n / frames, heads / 2);
        Tensor Part(Tensor x, long from, long count) => x.narrow(2, from, count).reshape(b, -1, places, count, d);
        Tensor Time(Tensor x) => Part(x, 0, half).transpose(1, 2).reshape(b * places, -1, half, d);
        Tensor Space(Tensor x) => Part(x, half, heads - half).reshape(-1, places, heads - half, d);
        Tensor Own(Tensor x) => frames == keyFrames ? x : x.narrow(1, (keyFrames - frames) * places, n);
        var along = time(Time(q), Time(k), Time(v))
            .reshape(b, places, frames, half, d)
            .transpose(1, 2)
            .reshape(b, n, half, d);
        var within = Full(Space(q), Space(Own(k)), Space(Own(v))).reshape(b, n, heads - half, d);
        return torch.cat([along, within], 2);
    }

    /// <summary>Attention with at most <paramref name="maxScores"/> scores at a time (or those of one query).</summary>
    internal static Tensor InBlocks(Tensor q, Tensor k, Tensor v, long maxScores, AttentionMask? mask = null)
    {
        var (qh, keys, vh) = (q.transpose(1, 2), k.permute(0, 2, 3, 1), v.transpose(1, 2));
        var scale = 1 / Math.Sqrt(q.size(-1));
        var queries = q.size(1);
        var block = Math.Clamp(maxScores / (k.size(1) * q.size(0) * q.size(2)), 1, queries);
        var parts = new List<Tensor>();
        for (long at = 0; at < queries; at += block)
        {
            var size = Math.Min(block, queries - at);
            var scores = (qh.narrow(2, at, size) * scale).matmul(keys);
            if (mask is null)
            {
                parts.Add(scores.softmax(-1).matmul(vh));
                continue;
            }
            var hidden = mask.Hidden(at, size).to(q.device);
            parts.Add(scores.masked_fill(hidden, -1e30).softmax(-1).masked_fill(hidden, 0).matmul(vh));
        }
        return (parts.Count == 1 ? parts[0] : torch.cat(parts.ToArray(), 2)).transpose(1, 2);
    }

    private const long MaxScores = 1 << 25;
}
