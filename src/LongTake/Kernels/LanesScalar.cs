using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>One lane, on any processor.</summary>
internal readonly unsafe struct L1 : ILanes<float>
{
    public static int Count => 1;

    public static bool ManyRegisters => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* from) => *from;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* to, float x) => *to = x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadHalf(ushort* from) => BitConverter.UInt32BitsToSingle((uint)*from << 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreHalf(ushort* to, float x)
    {
        var bits = BitConverter.SingleToUInt32Bits(x);
        *to = float.IsNaN(x) ? (ushort)0x7fc0 : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float All(float x) => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Subtract(float a, float b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Divide(float a, float b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Fused(float a, float b, float c) =>
        Fma.IsSupported || AdvSimd.IsSupported ? MathF.FusedMultiplyAdd(a, b, c) : a * b + c; // else a slow call

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Larger(float a, float b) => a > b ? a : b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Power(float p, float shifted)
    {
        var exponent = BitConverter.SingleToInt32Bits(shifted) << 23;
        return BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(p) + exponent);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Between(float x, int first, int from, int until) =>
        first >= from && first < until ? x : float.NegativeInfinity;
}
