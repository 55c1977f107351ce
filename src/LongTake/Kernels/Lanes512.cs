using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>Sixteen lanes (AVX-512).</summary>
internal readonly unsafe struct L512 : ILanes<Vector512<float>>
{
    public static bool IsSupported => Vector512.IsHardwareAccelerated && Avx512F.IsSupported && Avx512BW.IsSupported;

    public static int Count => 16;

    public static bool ManyRegisters => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(float* from) => Vector512.Load(from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, Vector512<float> x) => x.Store(to);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> LoadHalf(ushort* from) =>
        (Avx512F.ConvertToVector512UInt32(Vector256.Load(from)) << 16).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHalf(ushort* to, Vector512<float> x)
    {
        var bits = x.AsUInt32();
        var rounded = (bits + Vector512.Create(0x7fffu) + ((bits >> 16) & Vector512.Create(1u))) >> 16;
        var number = Vector512.Equals(x, x).AsUInt32();
        var kept = Vector512.ConditionalSelect(number, rounded, Vector512.Create(0x7fc0u));
        Avx512F.ConvertToVector256UInt16(kept).Store(to);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> All(float x) => Vector512.Create(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Add(Vector512<float> a, Vector512<float> b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Subtract(Vector512<float> a, Vector512<float> b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Multiply(Vector512<float> a, Vector512<float> b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Divide(Vector512<float> a, Vector512<float> b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Fused(Vector512<float> a, Vector512<float> b, Vector512<float> c) =>
        Vector512.FusedMultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Larger(Vector512<float> a, Vector512<float> b) => Avx512F.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Power(Vector512<float> p, Vector512<float> shifted) =>
        (p.AsInt32() + (shifted.AsInt32() << 23)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Between(Vector512<float> x, int first, int from, int until)
    {
        var lane = Vector512.Create(first) + Vector512<int>.Indices;
        var begun = Vector512.GreaterThanOrEqual(lane, Vector512.Create(from));
        var seen = begun & Vector512.LessThan(lane, Vector512.Create(until));
        return Vector512.ConditionalSelect(seen.AsSingle(), x, Vector512.Create(float.NegativeInfinity));
    }
}
