using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>Rows of tensors to and from padded float32 matrices, and the exponential.</summary>
internal static unsafe class AttentionRows<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>
    /// Tokens <paramref name="first"/> and on of one entry as float32, rows <paramref name="stride"/> floats apart:
    /// where they lie if that will do, else in <paramref name="to"/> and padded with zeros to <paramref name="padded"/>
    /// rows.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float* Rows(
        AttentionJob job,
        in AttentionView view,
        in AttentionEntry entry,
        int first,
        int n,
        int padded,
        float* to,
        out int stride
    )
    {
        if (job.InPlace && n == padded && view.Token % 4 == 0)
        {
            stride = (int)(view.Token / 4);
            return (float*)view.At(entry, first);
        }
        stride = job.Width;
        Read(job, view, entry, first, n, padded, to);
        return to;
    }

    /// <summary>
    /// Tokens <paramref name="first"/> and on of one entry to [n, width] float32, padded with zeros to <paramref
    /// name="padded"/> rows.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Read(
        AttentionJob job,
        in AttentionView view,
        in AttentionEntry entry,
        int first,
        int n,
        int padded,
        float* to
    )
    {
        var (d, width, step) = (job.D, job.Width, view.Token);
        var whole = d / L.Count * L.Count;
        var from = view.At(entry, first);
        for (var i = 0; i < n; i++)
        {
            if (job.Half)
            {
                var row = (ushort*)from;
                for (var c = 0; c < whole; c += L.Count)
                    L.Store(to + c, L.LoadHalf(row + c));
                for (var c = whole; c < d; c++)
                    to[c] = L1.LoadHalf(row + c);
            }
            else
            {
                var row = (float*)from;
                for (var c = 0; c < whole; c += L.Count)
                    L.Store(to + c, L.Load(row + c));
                for (var c = whole; c < d; c++)
                    to[c] = row[c];
            }
            for (var c = d; c < width; c++)
                to[c] = 0;
            from += step;
            to += width;
        }
        if (padded > n)
            new Span<float>(to, (padded - n) * width).Clear();
    }

    /// <summary>
    /// [n, width] times <paramref name="factor"/> to tokens <paramref name="first"/> and on; a factor a row where
    /// <paramref name="factors"/> is not null.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Write(
        AttentionJob job,
        in AttentionView view,
        in AttentionEntry entry,
        int first,
        int n,
        float* from,
        float factor,
        float* factors
    )
    {
        var (d, width, step) = (job.D, job.Width, view.Token);
        var whole = d / L.Count * L.Count;
        var to = view.At(entry, first);
        for (var i = 0; i < n; i++)
        {
            var one = factors == null ? factor : factors[i];
            var all = L.All(one);
            if (job.Half)
            {
                var row = (ushort*)to;
                for (var c = 0; c < whole; c += L.Count)
                    L.StoreHalf(row + c, L.Multiply(all, L.Load(from + c)));
                for (var c = whole; c < d; c++)
                    L1.StoreHalf(row + c, one * from[c]);
            }
            else
            {
                var row = (float*)to;
                for (var c = 0; c < whole; c += L.Count)
                    L.Store(row + c, L.Multiply(all, L.Load(from + c)));
                for (var c = whole; c < d; c++)
                    row[c] = one * from[c];
            }
            to += step;
            from += width;
        }
    }

    /// <summary>Whether products of rows are taken row by row (<see cref="Dots"/>) and no rows need turning.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool RowByRow(AttentionJob job) => L.Count == 16 && Dots.IsSupported && job.Few;

    /// <summary>
    /// [rows, width] times <paramref name="factor"/>, turned: [d, ld] with one row of the source a lane. Rows are a
    /// multiple of 8.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Turn(float* x, int width, int rows, int d, float factor, float* to, int ld)
    {
        if (L.Count > 1 && Avx.IsSupported)
        {
            var all = Vector256.Create(factor);
            for (var i = 0; i < rows; i += 8)
            for (var c = 0; c < d; c += 8)
                Turn8(x + (long)i * width + c, width, all, to + (long)c * ld + i, ld);
            return;
        }
        for (var c = 0; c < d; c++)
        for (var i = 0; i < rows; i++)
            to[(long)c * ld + i] = x[(long)i * width + c] * factor;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turn8(float* x, long width, Vector256<float> factor, float* to, long ld)
    {
        var (a, b) = (Avx.LoadVector256(x), Avx.LoadVector256(x + width));
        var (c, d) = (Avx.LoadVector256(x + 2 * width), Avx.LoadVector256(x + 3 * width));
        var (e, f) = (Avx.LoadVector256(x + 4 * width), Avx.LoadVector256(x + 5 * width));
        var (g, h) = (Avx.LoadVector256(x + 6 * width), Avx.LoadVector256(x + 7 * width));
        var (ab0, ab1) = (Avx.UnpackLow(a, b), Avx.UnpackHigh(a, b));
        var (cd0, cd1) = (Avx.UnpackLow(c, d), Avx.UnpackHigh(c, d));
        var (ef0, ef1) = (Avx.UnpackLow(e, f), Avx.UnpackHigh(e, f));
        var (gh0, gh1) = (Avx.UnpackLow(g, h), Avx.UnpackHigh(g, h));
        var (a0, a1) = (Avx.Shuffle(ab0, cd0, 0x44), Avx.Shuffle(ab0, cd0, 0xee));
        var (a2, a3) = (Avx.Shuffle(ab1, cd1, 0x44), Avx.Shuffle(ab1, cd1, 0xee));
        var (e0, e1) = (Avx.Shuffle(ef0, gh0, 0x44), Avx.Shuffle(ef0, gh0, 0xee));
        var (e2, e3) = (Avx.Shuffle(ef1, gh1, 0x44), Avx.Shuffle(ef1, gh1, 0xee));
        (Avx.Permute2x128(a0, e0, 0x20) * factor).Store(to);
        (Avx.Permute2x128(a1, e1, 0x20) * factor).Store(to + ld);
        (Avx.Permute2x128(a2, e2, 0x20) * factor).Store(to + 2 * ld);
        (Avx.Permute2x128(a3, e3, 0x20) * factor).Store(to + 3 * ld);
        (Avx.Permute2x128(a0, e0, 0x31) * factor).Store(to + 4 * ld);
        (Avx.Permute2x128(a1, e1, 0x31) * factor).Store(to + 5 * ld);
        (Avx.Permute2x128(a2, e2, 0x31) * factor).Store(to + 6 * ld);
        (Avx.Permute2x128(a3, e3, 0x31) * factor).Store(to + 7 * ld);
    }

    /// <summary>
    /// 2^x for x &lt;= 0, exactly 0 from -127 down, not a number for such. x = n + f with |f| &lt;= 1/2, and a
    /// least-squares polynomial of f whose constant is 1: relative error 2e-9, or 3e-6 where <paramref name="coarse"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp2(V x, bool coarse)
    {
        x = L.Larger(L.All(-127f), x);
        var magic = L.All(12582912f); // 1.5 * 2^23: adding it leaves n in the low bits
        var shifted = L.Add(x, magic);
        var f = L.Subtract(x, L.Subtract(shifted, magic));
        V p;
        if (coarse)
        {
            p = L.Fused(f, L.All(0.009582852464f), L.All(0.055906425505f));
            p = L.Fused(p, f, L.All(0.240240986288f));
            p = L.Fused(p, f, L.All(0.693124193254f));
        }
        else
        {
            p = L.Fused(f, L.All(0.000153533616f), L.All(0.001339887452f));
            p = L.Fused(p, f, L.All(0.009618437360f));
            p = L.Fused(p, f, L.All(0.055503324708f));
            p = L.Fused(p, f, L.All(0.240226479136f));
            p = L.Fused(p, f, L.All(0.693147202855f));
        }
        p = L.Fused(p, f, L.All(1f));
        return L.Power(p, shifted);
    }
}
