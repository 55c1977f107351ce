using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Products of the rows of two matrices for at most eight rows on one side, where turning one of them into lanes would
/// cost more than the product itself (AVX-512).
/// </summary>
internal static unsafe class Dots
{
    /// <summary>Whether <see cref="Eight"/> runs here.</summary>
    public static bool IsSupported
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Avx512F.IsSupported;
    }

    /// <summary>
    /// to[j, i] = factor times the product of row j of a and row i of b, for <paramref name="rows"/> rows of a and 8 of
    /// b.
    /// </summary>
    /// <param name="to">Rows <paramref name="ld"/> floats apart; 16 floats of each are written, those from 8 on are
    /// 0.</param>
    /// <param name="width">Floats of a row, a multiple of 16.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Eight(
        float* to,
        int ld,
        int rows,
        int width,
        float* a,
        int strideA,
        float* b,
        int strideB,
        float factor
    )
    {
        var all = Vector256.Create(factor);
        var stride = (nint)strideB;
        var b4 = b + 4 * stride;
        var stride3 = 3 * stride;
        for (var j = 0; j < rows; j++)
        {
            var x = Vector512.Load(a);
            var s0 = x * Vector512.Load(b);
            var s1 = x * Vector512.Load(b + stride);
            var s2 = x * Vector512.Load(b + 2 * stride);
            var s3 = x * Vector512.Load(b + stride3);
            var s4 = x * Vector512.Load(b4);
            var s5 = x * Vector512.Load(b4 + stride);
            var s6 = x * Vector512.Load(b4 + 2 * stride);
            var s7 = x * Vector512.Load(b4 + stride3);
            for (nint c = 16; c < width; c += 16)
            {
                x = Vector512.Load(a + c);
                s0 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + c), s0);
                s1 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + c + stride), s1);
                s2 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + c + 2 * stride), s2);
                s3 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b + c + stride3), s3);
                s4 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b4 + c), s4);
                s5 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b4 + c + stride), s5);
                s6 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b4 + c + 2 * stride), s6);
                s7 = Vector512.FusedMultiplyAdd(x, Vector512.Load(b4 + c + stride3), s7);
            }
            var low = Quads(s0, s1, s2, s3);
            var high = Quads(s4, s5, s6, s7);
            // Quarters of low hold the four sums of b's first rows each, those of high of its last.
            var even = Avx512F.Shuffle4x128(low, high, 0x44);
            var odd = Avx512F.Shuffle4x128(low, high, 0xee);
            var four = even + odd; // quarters: low, low, high, high
            var lower = four.GetLower();
            var upper = four.GetUpper();
            var sums = Vector256.Create(lower.GetLower() + lower.GetUpper(), upper.GetLower() + upper.GetUpper()) * all;
            Vector512.Create(sums, Vector256<float>.Zero).Store(to);
            a += strideA;
            to += ld;
        }
    }

    // In every quarter (four lanes) the sums over that quarter of a, b, c and d.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Quads(
        Vector512<float> a,
        Vector512<float> b,
        Vector512<float> c,
        Vector512<float> d
    )
    {
        var ab = Avx512F.UnpackLow(a, b) + Avx512F.UnpackHigh(a, b);
        var cd = Avx512F.UnpackLow(c, d) + Avx512F.UnpackHigh(c, d);
        return Avx512F.Shuffle(ab, cd, 0x44) + Avx512F.Shuffle(ab, cd, 0xee);
    }
}
