using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Attention forward in blocks with an online softmax (Dao et al., FlashAttention, arXiv 2205.14135). Scores are
/// calculated transposed, one row a key and one lane a query, so that maxima, sums and masks need no reduction across
/// lanes.
/// </summary>
internal static unsafe class AttentionForward<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>
    /// Fills <see cref="AttentionJob.Out"/>, <see cref="AttentionJob.Top"/> and <see cref="AttentionJob.Share"/>.
    /// </summary>
    public static void Run(AttentionJob job)
    {
        var blocks = job.QueryBlocks;
        var each = blocks > 1 ? 1 : job.EntriesPerTask;
        Workers.For((job.Entries * blocks + each - 1) / each, task =>
        {
            var scratch = Scratch.Take(job.ForwardScratch);
            for (var item = task * each; item < Math.Min((task + 1) * each, job.Entries * blocks); item++)
                Block(job, job.Entry(item / blocks), item % blocks * job.QuerySize, scratch);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(AttentionJob job, in AttentionEntry entry, int first, float* scratch)
    {
        var (d, width, ld, keyRows) = (job.D, job.Width, job.Lanes, job.KeyRows);
        var n = Math.Min(job.QuerySize, job.Queries - first);
        var padded = AttentionJob.Up(n, 8);
        var lanes = AttentionJob.Up(n, L.Count);
        var rows = scratch;
        var q = rows + ld * width;
        var sums = q + ld * width;
        var k = sums + ld * width;
        var v = k + keyRows * width;
        var p = v + keyRows * width;
        var top = p + keyRows * ld;
        var sum = top + ld;
        var fade = sum + ld;
        rows = AttentionRows<L, V>.Rows(job, job.Q, entry, first, n, padded, rows, out var stride);
        var scale = job.Scale * AttentionJob.Log2E;
        var strideRows = stride;
        if (!AttentionRows<L, V>.RowByRow(job))
            AttentionRows<L, V>.Turn(rows, stride, padded, d, scale, q, ld);
        new Span<float>(top, ld).Fill(-1e30f);
        new Span<float>(sum, ld).Clear();
        var begun = false;
        for (var key = 0; key < job.Keys; key += job.KeySize)
        {
            var keys = Math.Min(job.KeySize, job.Keys - key);
            var sight = job.SightOf(entry, key, keys, first, n);
            if (sight == Sight.None)
                continue;
            var rowsOfTiles = AttentionJob.Up(keys, Tiles<L, V>.Rows);
            var row = AttentionRows<L, V>.Rows(job, job.K, entry, key, keys, rowsOfTiles, k, out stride);
            if (AttentionRows<L, V>.RowByRow(job))
                Dots.Eight(p, ld, keys, width, row, stride, rows, strideRows, scale);
            else
                Tiles<L, V>.Product(p, ld, keys, lanes, d, row, stride, 1, q, ld, null, false);
            if (sight == Sight.Some)
                AttentionScores<L, V>.Hide(job, entry, key, keys, first, lanes, p, ld);
            if (job.Half)
                AttentionScores<L, V>.Softmax(p, ld, keys, lanes, top, sum, fade, true);
            else
                AttentionScores<L, V>.Softmax(p, ld, keys, lanes, top, sum, fade, false);
            row = AttentionRows<L, V>.Rows(job, job.V, entry, key, keys, keys, v, out stride);
            Tiles<L, V>.Product(sums, width, n, width, keys, p, 1, ld, row, stride, begun ? fade : null, false);
            begun = true;
        }
        if (!begun)
            new Span<float>(sums, n * width).Clear();
        for (var c = 0; c < lanes; c += L.Count)
        {
            var total = L.Larger(L.All(1e-30f), L.Load(sum + c)); // a sum is 0 or at least 1
            L.Store(fade + c, L.Divide(L.All(1), total));
        }
        var saved = (long)entry.Number * job.Queries + first;
        new Span<float>(top, n).CopyTo(new Span<float>(job.Top + saved, n));
        new Span<float>(fade, n).CopyTo(new Span<float>(job.Share + saved, n));
        AttentionRows<L, V>.Write(job, job.Out, entry, first, n, sums, 1, fade);
    }
}
