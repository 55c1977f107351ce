using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>What happens to a block of scores [keys, lanes], rows ld floats apart, between the products.</summary>
internal static unsafe class AttentionScores<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>Sets scores [keys, lanes] that a mask hides to minus infinity.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Hide(
        AttentionJob job,
        in AttentionEntry entry,
        int key,
        int keys,
        int first,
        int lanes,
        float* scores,
        int ld
    )
    {
        for (var j = 0; j < keys; j++)
        {
            var (from, until) = job.Seen(entry, key + j);
            var row = scores + (long)j * ld;
            for (var c = 0; c < lanes; c += L.Count)
                L.Store(row + c, L.Between(L.Load(row + c), first + c, from, until));
        }
    }

    /// <summary>
    /// Scores to exponentials over the running maximum <paramref name="top"/>, and their sums; <paramref name="fade"/>
    /// becomes what the older part is to be multiplied with.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Softmax(float* p, int ld, int keys, int lanes, float* top, float* sum, float* fade, bool coarse)
    {
        for (var c = 0; c < lanes; c += L.Count)
        {
            var old = L.Load(top + c);
            var now = old;
            var other = old;
            var x = p + c;
            var j = 0;
            for (; j + 1 < keys; j += 2)
            {
                now = L.Larger(L.Load(x), now);
                other = L.Larger(L.Load(x + ld), other);
                x += 2L * ld;
            }
            if (j < keys)
                now = L.Larger(L.Load(x), now);
            now = L.Larger(now, other);
            var factor = AttentionRows<L, V>.Exp2(L.Subtract(old, now), coarse);
            var even = L.Multiply(L.Load(sum + c), factor);
            V odd = default;
            x = p + c;
            for (j = 0; j + 1 < keys; j += 2)
            {
                var a = AttentionRows<L, V>.Exp2(L.Subtract(L.Load(x), now), coarse);
                var b = AttentionRows<L, V>.Exp2(L.Subtract(L.Load(x + ld), now), coarse);
                L.Store(x, a);
                L.Store(x + ld, b);
                even = L.Add(even, a);
                odd = L.Add(odd, b);
                x += 2L * ld;
            }
            if (j < keys)
            {
                var a = AttentionRows<L, V>.Exp2(L.Subtract(L.Load(x), now), coarse);
                L.Store(x, a);
                even = L.Add(even, a);
            }
            L.Store(top + c, now);
            L.Store(fade + c, factor);
            L.Store(sum + c, L.Add(even, odd));
        }
    }

    /// <summary>
    /// Scores to shares by the saved <paramref name="top"/> and <paramref name="part"/>, and gradients of the shares in
    /// <paramref name="ds"/> to those of the scores.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Shares(
        float* p,
        float* ds,
        int ld,
        int keys,
        int lanes,
        float* top,
        float* part,
        float* delta,
        bool coarse
    )
    {
        for (var j = 0; j < keys; j++)
        {
            for (var c = 0; c < lanes; c += L.Count)
            {
                var x = L.Subtract(L.Load(p + c), L.Load(top + c));
                var share = coarse ? AttentionRows<L, V>.Exp2(x, true) : AttentionRows<L, V>.Exp2(x, false);
                share = L.Multiply(share, L.Load(part + c));
                L.Store(p + c, share);
                L.Store(ds + c, L.Multiply(share, L.Subtract(L.Load(ds + c), L.Load(delta + c))));
            }
            p += ld;
            ds += ld;
        }
    }

    /// <summary>Scores' gradients where all keys are here: delta is the sum of share times gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SharesOfAll(
        float* p,
        float* ds,
        int ld,
        int keys,
        int lanes,
        float* top,
        float* part,
        bool coarse
    )
    {
        for (var c = 0; c < lanes; c += L.Count)
        {
            var low = L.Load(top + c);
            var factor = L.Load(part + c);
            V delta = default;
            var x = p + c;
            var y = ds + c;
            for (var j = 0; j < keys; j++)
            {
                var score = L.Subtract(L.Load(x), low);
                var share = coarse ? AttentionRows<L, V>.Exp2(score, true) : AttentionRows<L, V>.Exp2(score, false);
                share = L.Multiply(share, factor);
                L.Store(x, share);
                delta = L.Fused(share, L.Load(y), delta);
                x += ld;
                y += ld;
            }
            x = p + c;
            y = ds + c;
            for (var j = 0; j < keys; j++)
            {
                L.Store(y, L.Multiply(L.Load(x), L.Subtract(L.Load(y), delta)));
                x += ld;
                y += ld;
            }
        }
    }

    /// <summary>Products of rows with rows, [n, width] each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void RowDots(float* a, float* b, int n, int width, float* to)
    {
        var part = stackalloc float[16];
        for (var i = 0; i < n; i++)
        {
            V sum = default;
            for (var c = 0; c < width; c += L.Count)
                sum = L.Fused(L.Load(a + c), L.Load(b + c), sum);
            L.Store(part, sum);
            var total = 0f;
            for (var c = 0; c < L.Count; c++)
                total += part[c];
            to[i] = total;
            a += width;
            b += width;
        }
    }
}
