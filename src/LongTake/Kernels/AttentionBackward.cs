using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Attention backward in blocks: shares are calculated again from the saved sums. A head that is one block of queries
/// and one of keys needs nothing beyond the scratch of its thread; else the queries are packed first, key blocks give
/// their own gradients and a part of the queries', and the parts are added in a fixed order.
/// </summary>
internal static unsafe class AttentionBackward<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    // A block of queries as rows and turned, of the queries (times scale and log2 e where turned) and of the gradients.
    private struct Packed(float* at, int lanes, int width)
    {
        public float* Q = at;
        public int StrideQ = width;
        public float* Grad = at + (long)lanes * width;
        public int StrideGrad = width;
        public float* QTurned = at + 2L * lanes * width;
        public float* GradTurned = at + 3L * lanes * width;
        public float* Top = at + 4L * lanes * width;
        public float* Share = at + 4L * lanes * width + lanes;
        public float* Delta = at + 4L * lanes * width + 2L * lanes;
    }

    /// <summary>Fills <see cref="AttentionJob.DQ"/>, DK and DV from Q, K, V, Out, Grad, Top and Share.</summary>
    public static void Run(AttentionJob job)
    {
        if (job.Single)
        {
            var each = job.EntriesPerTask;
            Workers.For((job.Entries + each - 1) / each, task =>
            {
                var scratch = Scratch.Take(job.BackwardScratch);
                for (var entry = task * each; entry < Math.Min((task + 1) * each, job.Entries); entry++)
                    Whole(job, job.Entry(entry), scratch);
            });
            return;
        }
        Workspace.Use(job.BackwardShared, memory =>
        {
            for (var first = 0; first < job.Entries; first += job.Wave)
                Run(job, first, Math.Min(job.Wave, job.Entries - first), (float*)memory);
        });
    }

    // Some entries in three passes.
    private static void Run(AttentionJob job, int first, int entries, float* packs)
    {
        var (groups, blocks) = (job.Groups, job.QueryBlocks);
        var parts = packs + entries * blocks * job.Pack;
        Workers.For(entries * blocks, task =>
            PackForAll(job, job.Entry(first + task / blocks), task % blocks * job.QuerySize, packs + task * job.Pack)
        );
        Workers.For(entries * groups, task =>
        {
            var pack = packs + task / groups * blocks * job.Pack;
            Keys(job, job.Entry(first + task / groups), task % groups, pack, parts + task * job.Part);
        });
        Workers.For(entries * blocks, task =>
        {
            var part = parts + task / blocks * groups * job.Part;
            Sum(job, job.Entry(first + task / blocks), task % blocks * job.QuerySize, part);
        });
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static Packed Pack(AttentionJob job, in AttentionEntry entry, int first, float* to)
    {
        var (width, lanes) = (job.Width, job.Lanes);
        var pack = new Packed(to, lanes, width);
        var n = Math.Min(job.QuerySize, job.Queries - first);
        var padded = AttentionJob.Up(n, 8);
        pack.Q = AttentionRows<L, V>.Rows(job, job.Q, entry, first, n, padded, pack.Q, out pack.StrideQ);
        pack.Grad = AttentionRows<L, V>.Rows(job, job.Grad, entry, first, n, padded, pack.Grad, out pack.StrideGrad);
        if (!AttentionRows<L, V>.RowByRow(job))
        {
            var scale = job.Scale * AttentionJob.Log2E;
            AttentionRows<L, V>.Turn(pack.Q, pack.StrideQ, padded, job.D, scale, pack.QTurned, lanes);
            AttentionRows<L, V>.Turn(pack.Grad, pack.StrideGrad, padded, job.D, 1, pack.GradTurned, lanes);
        }
        var saved = (long)entry.Number * job.Queries + first;
        new Span<float>(job.Top + saved, n).CopyTo(new Span<float>(pack.Top, n));
        new Span<float>(job.Share + saved, n).CopyTo(new Span<float>(pack.Share, n));
        return pack;
    }

    // The same with the sums of share times gradient, from the result.
    private static void PackForAll(AttentionJob job, in AttentionEntry entry, int first, float* to)
    {
        var pack = Pack(job, entry, first, to);
        var n = Math.Min(job.QuerySize, job.Queries - first);
        var values = Scratch.Take((long)job.Lanes * job.Width);
        AttentionRows<L, V>.Read(job, job.Out, entry, first, n, n, values);
        AttentionScores<L, V>.RowDots(values, pack.Grad, n, job.Width, pack.Delta);
    }

    // A head in one block.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Whole(AttentionJob job, in AttentionEntry entry, float* scratch)
    {
        var (width, lanes) = (job.Width, job.Lanes);
        var pack = Pack(job, entry, 0, scratch);
        var block = scratch + job.Pack;
        var dq = block + job.BackwardBlock;
        var sight = job.SightOf(entry, 0, job.Keys, 0, job.Queries);
        if (sight == Sight.None)
        {
            new Span<float>(block, (int)(job.BackwardBlock + (long)lanes * width)).Clear();
        }
        else
        {
            var rows = KeysOf(job, entry, 0, job.Keys, block);
            Block(job, entry, 0, job.Keys, 0, pack, rows, block, dq, sight, true, false);
        }
        AttentionRows<L, V>.Write(job, job.DQ, entry, 0, job.Queries, dq, job.Scale, null);
        WriteKeys(job, entry, 0, job.Keys, block);
    }

    // The keys of one group.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Keys(AttentionJob job, in AttentionEntry entry, int group, float* packs, float* dq)
    {
        var (width, lanes, keyRows, groups) = (job.Width, job.Lanes, job.KeyRows, job.Groups);
        var block = Scratch.Take(job.BackwardBlock);
        for (var i = 0; i < job.QueryBlocks; i++)
            new Span<float>(dq + (long)i * job.QuerySize * width, job.QuerySize * width).Clear();
        for (var b = job.KeyBlocks * group / groups; b < job.KeyBlocks * (group + 1) / groups; b++)
        {
            var key = b * job.KeySize;
            var keys = Math.Min(job.KeySize, job.Keys - key);
            var rows = KeysOf(job, entry, key, keys, block);
            var begun = false;
            for (var i = 0; i < job.QueryBlocks; i++)
            {
                var first = i * job.QuerySize;
                var n = Math.Min(job.QuerySize, job.Queries - first);
                var sight = job.SightOf(entry, key, keys, first, n);
                if (sight == Sight.None)
                    continue;
                var pack = new Packed(packs + i * job.Pack, lanes, width);
                Block(job, entry, key, keys, first, pack, rows, block, dq + (long)first * width, sight, false, begun);
                begun = true;
            }
            if (!begun)
                new Span<float>(block + 2 * keyRows * width, 2 * keyRows * width).Clear();
            WriteKeys(job, entry, key, keys, block);
        }
    }

    // Rows of a block of keys and of values.
    private readonly struct KeyRows(float* k, int strideK, float* v, int strideV)
    {
        public readonly float* K = k;
        public readonly int StrideK = strideK;
        public readonly float* V = v;
        public readonly int StrideV = strideV;
    }

    private static KeyRows KeysOf(AttentionJob job, in AttentionEntry entry, int key, int keys, float* block)
    {
        var padded = AttentionJob.Up(keys, Tiles<L, V>.Rows);
        var k = AttentionRows<L, V>.Rows(job, job.K, entry, key, keys, padded, block, out var strideK);
        var values = block + job.KeyRows * job.Width;
        var v = AttentionRows<L, V>.Rows(job, job.V, entry, key, keys, padded, values, out var strideV);
        return new(k, strideK, v, strideV);
    }

    private static void WriteKeys(AttentionJob job, in AttentionEntry entry, int key, int keys, float* block)
    {
        var dk = block + 2 * job.KeyRows * job.Width;
        AttentionRows<L, V>.Write(job, job.DK, entry, key, keys, dk, job.Scale, null);
        AttentionRows<L, V>.Write(job, job.DV, entry, key, keys, dk + job.KeyRows * job.Width, 1, null);
    }

    // One block of keys with one of queries: dk and dv are set (begun: added to), dq is set where the head is one
    // block, else added to.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block(
        AttentionJob job,
        in AttentionEntry entry,
        int key,
        int keys,
        int first,
        in Packed pack,
        in KeyRows rows,
        float* block,
        float* dq,
        Sight sight,
        bool whole,
        bool begun
    )
    {
        var (d, width, ld, keyRows) = (job.D, job.Width, job.Lanes, job.KeyRows);
        var n = Math.Min(job.QuerySize, job.Queries - first);
        var lanes = AttentionJob.Up(n, L.Count);
        var dk = block + 2 * keyRows * width;
        var dv = dk + keyRows * width;
        var p = dv + keyRows * width;
        var ds = p + keyRows * ld;
        if (AttentionRows<L, V>.RowByRow(job))
        {
            Dots.Eight(p, ld, keys, width, rows.K, rows.StrideK, pack.Q, pack.StrideQ, job.Scale * AttentionJob.Log2E);
            Dots.Eight(ds, ld, keys, width, rows.V, rows.StrideV, pack.Grad, pack.StrideGrad, 1);
        }
        else
        {
            Tiles<L, V>.Product(p, ld, keys, lanes, d, rows.K, rows.StrideK, 1, pack.QTurned, ld, null, false);
            Tiles<L, V>.Product(ds, ld, keys, lanes, d, rows.V, rows.StrideV, 1, pack.GradTurned, ld, null, false);
        }
        if (sight == Sight.Some)
            AttentionScores<L, V>.Hide(job, entry, key, keys, first, lanes, p, ld);
        if (whole)
            AttentionScores<L, V>.SharesOfAll(p, ds, ld, keys, lanes, pack.Top, pack.Share, job.Half);
        else
            AttentionScores<L, V>.Shares(p, ds, ld, keys, lanes, pack.Top, pack.Share, pack.Delta, job.Half);
        Tiles<L, V>.Product(dv, width, keys, width, n, p, ld, 1, pack.Grad, pack.StrideGrad, null, begun);
        Tiles<L, V>.Product(dk, width, keys, width, n, ds, ld, 1, pack.Q, pack.StrideQ, null, begun);
        Tiles<L, V>.Product(dq, width, n, width, keys, ds, 1, ld, rows.K, rows.StrideK, null, !whole);
    }

    // Adds the groups' parts of the gradient of one block of queries.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sum(AttentionJob job, in AttentionEntry entry, int first, float* parts)
    {
        var n = Math.Min(job.QuerySize, job.Queries - first);
        var sum = parts + (long)first * job.Width;
        for (var group = 1; group < job.Groups; group++)
        {
            var other = sum + group * job.Part;
            for (var i = 0; i < n * job.Width; i += L.Count)
                L.Store(sum + i, L.Add(L.Load(sum + i), L.Load(other + i)));
        }
        AttentionRows<L, V>.Write(job, job.DQ, entry, first, n, sum, job.Scale, null);
    }
}
