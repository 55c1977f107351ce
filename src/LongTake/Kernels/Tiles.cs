using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Products of small float32 matrices, the multiplier's elements by two strides, in tiles of sums that stay in
/// registers.
/// </summary>
internal static unsafe class Tiles<L, V>
    where L : struct, ILanes<V>
    where V : struct
{
    /// <summary>Rows of a tile: matrices of sums are padded to a multiple of this many rows.</summary>
    public static int Rows
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => L.ManyRegisters ? 8 : 4;
    }

    /// <summary>
    /// C = factor C + A B: C [rows, columns], A [rows, units], B [units, columns]. <paramref name="rows"/> is rounded
    /// up to whole tiles (A and C have that many rows that may be touched), <paramref name="columns"/> is a multiple of
    /// the vector.
    /// </summary>
    /// <param name="c">Sums, rows <paramref name="ldc"/> floats apart.</param>
    /// <param name="a">Element [m, u] lies at m <paramref name="rowA"/> + u <paramref name="unitA"/>.</param>
    /// <param name="b">Rows <paramref name="ldb"/> floats apart.</param>
    /// <param name="factor">What a row of C is multiplied with first; null: see <paramref name="add"/>.</param>
    /// <param name="add">Without factors: keep what is in C, else start at 0.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Product(
        float* c,
        int ldc,
        int rows,
        int columns,
        int units,
        float* a,
        int rowA,
        int unitA,
        float* b,
        int ldb,
        float* factor,
        bool add
    )
    {
        var left = columns / L.Count;
        while (left > 0)
        {
            var taken =
                left == 4 || left == 2 ? 2
                : left >= 3 ? 3
                : 1;
            if (taken == 3)
                Strip<TileRow3<L, V>>(c, ldc, rows, units, a, rowA, unitA, b, ldb, factor, add);
            else if (taken == 2)
                Strip<TileRow2<L, V>>(c, ldc, rows, units, a, rowA, unitA, b, ldb, factor, add);
            else
                Strip<TileRow1<L, V>>(c, ldc, rows, units, a, rowA, unitA, b, ldb, factor, add);
            c += taken * L.Count;
            b += taken * L.Count;
            left -= taken;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Strip<R>(
        float* c,
        int ldc,
        int rows,
        int units,
        float* a,
        int rowA,
        int unitA,
        float* b,
        int ldb,
        float* factor,
        bool add
    )
        where R : struct, ITileRow<R, V>
    {
        for (var row = 0; row < rows; row += Rows)
        {
            if (L.ManyRegisters && R.Vectors == 1)
                EightByTwo<R>(c, ldc, units, a, rowA, unitA, b, ldb, factor, add);
            else if (L.ManyRegisters)
                Eight<R>(c, ldc, units, a, rowA, unitA, b, ldb, factor, add);
            else
                Four<R>(c, ldc, units, a, rowA, unitA, b, ldb, factor, add);
            c += (long)Rows * ldc;
            a += (long)Rows * rowA;
            factor = factor == null ? null : factor + Rows;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static R Start<R>(float* c, float* factor, int row, bool add)
        where R : struct, ITileRow<R, V>
    {
        if (factor != null)
            return R.Scaled(L.All(factor[row]), R.Load(c));
        return add ? R.Load(c) : default;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Eight<R>(
        float* c,
        int ldc,
        int units,
        float* a,
        int rowA,
        int unitA,
        float* b,
        int ldb,
        float* factor,
        bool add
    )
        where R : struct, ITileRow<R, V>
    {
        var c4 = c + 4L * ldc;
        var s0 = Start<R>(c, factor, 0, add);
        var s1 = Start<R>(c + ldc, factor, 1, add);
        var s2 = Start<R>(c + 2L * ldc, factor, 2, add);
        var s3 = Start<R>(c + 3L * ldc, factor, 3, add);
        var s4 = Start<R>(c4, factor, 4, add);
        var s5 = Start<R>(c4 + ldc, factor, 5, add);
        var s6 = Start<R>(c4 + 2L * ldc, factor, 6, add);
        var s7 = Start<R>(c4 + 3L * ldc, factor, 7, add);
        var row = (nint)rowA;
        var row3 = 3 * row;
        var a4 = a + 4 * row;
        for (var u = units; u > 0; u--)
        {
            var right = R.Load(b);
            s0 = R.Fused(L.All(a[0]), right, s0);
            s1 = R.Fused(L.All(a[row]), right, s1);
            s2 = R.Fused(L.All(a[2 * row]), right, s2);
            s3 = R.Fused(L.All(a[row3]), right, s3);
            s4 = R.Fused(L.All(a4[0]), right, s4);
            s5 = R.Fused(L.All(a4[row]), right, s5);
            s6 = R.Fused(L.All(a4[2 * row]), right, s6);
            s7 = R.Fused(L.All(a4[row3]), right, s7);
            a += unitA;
            a4 += unitA;
            b += ldb;
        }
        R.Store(c, s0);
        R.Store(c + ldc, s1);
        R.Store(c + 2L * ldc, s2);
        R.Store(c + 3L * ldc, s3);
        R.Store(c4, s4);
        R.Store(c4 + ldc, s5);
        R.Store(c4 + 2L * ldc, s6);
        R.Store(c4 + 3L * ldc, s7);
    }

    // Even and odd units apart: eight sums alone would wait for each other.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void EightByTwo<R>(
        float* c,
        int ldc,
        int units,
        float* a,
        int rowA,
        int unitA,
        float* b,
        int ldb,
        float* factor,
        bool add
    )
        where R : struct, ITileRow<R, V>
    {
        var c4 = c + 4L * ldc;
        var s0 = Start<R>(c, factor, 0, add);
        var s1 = Start<R>(c + ldc, factor, 1, add);
        var s2 = Start<R>(c + 2L * ldc, factor, 2, add);
        var s3 = Start<R>(c + 3L * ldc, factor, 3, add);
        var s4 = Start<R>(c4, factor, 4, add);
        var s5 = Start<R>(c4 + ldc, factor, 5, add);
        var s6 = Start<R>(c4 + 2L * ldc, factor, 6, add);
        var s7 = Start<R>(c4 + 3L * ldc, factor, 7, add);
        var (o0, o1, o2, o3) = (default(R), default(R), default(R), default(R));
        var (o4, o5, o6, o7) = (default(R), default(R), default(R), default(R));
        var row = (nint)rowA;
        var row3 = 3 * row;
        var a4 = a + 4 * row;
        for (var u = units; u > 0; u -= 2)
        {
            var right = R.Load(b);
            s0 = R.Fused(L.All(a[0]), right, s0);
            s1 = R.Fused(L.All(a[row]), right, s1);
            s2 = R.Fused(L.All(a[2 * row]), right, s2);
            s3 = R.Fused(L.All(a[row3]), right, s3);
            s4 = R.Fused(L.All(a4[0]), right, s4);
            s5 = R.Fused(L.All(a4[row]), right, s5);
            s6 = R.Fused(L.All(a4[2 * row]), right, s6);
            s7 = R.Fused(L.All(a4[row3]), right, s7);
            a += unitA;
            a4 += unitA;
            b += ldb;
            if (u == 1)
                break;
            right = R.Load(b);
            o0 = R.Fused(L.All(a[0]), right, o0);
            o1 = R.Fused(L.All(a[row]), right, o1);
            o2 = R.Fused(L.All(a[2 * row]), right, o2);
            o3 = R.Fused(L.All(a[row3]), right, o3);
            o4 = R.Fused(L.All(a4[0]), right, o4);
            o5 = R.Fused(L.All(a4[row]), right, o5);
            o6 = R.Fused(L.All(a4[2 * row]), right, o6);
            o7 = R.Fused(L.All(a4[row3]), right, o7);
            a += unitA;
            a4 += unitA;
            b += ldb;
        }
        R.Store(c, R.Sum(s0, o0));
        R.Store(c + ldc, R.Sum(s1, o1));
        R.Store(c + 2L * ldc, R.Sum(s2, o2));
        R.Store(c + 3L * ldc, R.Sum(s3, o3));
        R.Store(c4, R.Sum(s4, o4));
        R.Store(c4 + ldc, R.Sum(s5, o5));
        R.Store(c4 + 2L * ldc, R.Sum(s6, o6));
        R.Store(c4 + 3L * ldc, R.Sum(s7, o7));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four<R>(
        float* c,
        int ldc,
        int units,
        float* a,
        int rowA,
        int unitA,
        float* b,
        int ldb,
        float* factor,
        bool add
    )
        where R : struct, ITileRow<R, V>
    {
        var s0 = Start<R>(c, factor, 0, add);
        var s1 = Start<R>(c + ldc, factor, 1, add);
        var s2 = Start<R>(c + 2L * ldc, factor, 2, add);
        var s3 = Start<R>(c + 3L * ldc, factor, 3, add);
        var row = (nint)rowA;
        for (var u = units; u > 0; u--)
        {
            var right = R.Load(b);
            s0 = R.Fused(L.All(a[0]), right, s0);
            s1 = R.Fused(L.All(a[row]), right, s1);
            s2 = R.Fused(L.All(a[2 * row]), right, s2);
            s3 = R.Fused(L.All(a[3 * row]), right, s3);
            a += unitA;
            b += ldb;
        }
        R.Store(c, s0);
        R.Store(c + ldc, s1);
        R.Store(c + 2L * ldc, s2);
        R.Store(c + 3L * ldc, s3);
    }
}
