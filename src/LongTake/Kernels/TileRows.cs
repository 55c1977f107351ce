using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>One to three vectors side by side: a row of a tile of sums.</summary>
/// <typeparam name="R">The row.</typeparam>
/// <typeparam name="V">The vector.</typeparam>
internal unsafe interface ITileRow<R, V>
    where R : struct
    where V : struct
{
    /// <summary>Vectors in the row.</summary>
    static abstract int Vectors { get; }

    static abstract R Load(float* from);

    static abstract void Store(float* to, R row);

    /// <summary>a b + c, the same <paramref name="a"/> for the whole row.</summary>
    static abstract R Fused(V a, R b, R c);

    /// <summary>a b.</summary>
    static abstract R Scaled(V a, R b);

    static abstract R Sum(R a, R b);
}

/// <summary>One vector.</summary>
internal unsafe struct TileRow1<L, V> : ITileRow<TileRow1<L, V>, V>
    where L : struct, ILanes<V>
    where V : struct
{
    private V x;

    public static int Vectors => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow1<L, V> Load(float* from) => new() { x = L.Load(from) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, TileRow1<L, V> row) => L.Store(to, row.x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow1<L, V> Fused(V a, TileRow1<L, V> b, TileRow1<L, V> c) => new() { x = L.Fused(a, b.x, c.x) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow1<L, V> Scaled(V a, TileRow1<L, V> b) => new() { x = L.Multiply(a, b.x) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow1<L, V> Sum(TileRow1<L, V> a, TileRow1<L, V> b) => new() { x = L.Add(a.x, b.x) };
}

/// <summary>Two vectors.</summary>
internal unsafe struct TileRow2<L, V> : ITileRow<TileRow2<L, V>, V>
    where L : struct, ILanes<V>
    where V : struct
{
    private V x;
    private V y;

    public static int Vectors => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow2<L, V> Load(float* from) => new() { x = L.Load(from), y = L.Load(from + L.Count) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, TileRow2<L, V> row)
    {
        L.Store(to, row.x);
        L.Store(to + L.Count, row.y);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow2<L, V> Fused(V a, TileRow2<L, V> b, TileRow2<L, V> c) =>
        new() { x = L.Fused(a, b.x, c.x), y = L.Fused(a, b.y, c.y) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow2<L, V> Scaled(V a, TileRow2<L, V> b) =>
        new() { x = L.Multiply(a, b.x), y = L.Multiply(a, b.y) };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow2<L, V> Sum(TileRow2<L, V> a, TileRow2<L, V> b) =>
        new() { x = L.Add(a.x, b.x), y = L.Add(a.y, b.y) };
}

/// <summary>Three vectors.</summary>
internal unsafe struct TileRow3<L, V> : ITileRow<TileRow3<L, V>, V>
    where L : struct, ILanes<V>
    where V : struct
{
    private V x;
    private V y;
    private V z;

    public static int Vectors => 3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow3<L, V> Load(float* from) =>
        new()
        {
            x = L.Load(from),
            y = L.Load(from + L.Count),
            z = L.Load(from + 2 * L.Count),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, TileRow3<L, V> row)
    {
        L.Store(to, row.x);
        L.Store(to + L.Count, row.y);
        L.Store(to + 2 * L.Count, row.z);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow3<L, V> Fused(V a, TileRow3<L, V> b, TileRow3<L, V> c) =>
        new()
        {
            x = L.Fused(a, b.x, c.x),
            y = L.Fused(a, b.y, c.y),
            z = L.Fused(a, b.z, c.z),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow3<L, V> Scaled(V a, TileRow3<L, V> b) =>
        new()
        {
            x = L.Multiply(a, b.x),
            y = L.Multiply(a, b.y),
            z = L.Multiply(a, b.z),
        };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TileRow3<L, V> Sum(TileRow3<L, V> a, TileRow3<L, V> b) =>
        new()
        {
            x = L.Add(a.x, b.x),
            y = L.Add(a.y, b.y),
            z = L.Add(a.z, b.z),
        };
}
