using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Some float32 lanes. Memory holds float, or bfloat16 as its 16 bits in a ushort; a load widens exactly and a store
/// rounds to the nearest, ties to even. The loops are written once over this and compiled for each width.
/// </summary>
internal unsafe interface IFloats<TSelf>
    where TSelf : unmanaged, IFloats<TSelf>
{
    /// <summary>Number of lanes.</summary>
    static abstract int Width { get; }

    /// <summary>One number in all lanes.</summary>
    static abstract TSelf All(float value);

    /// <summary>Lanes from memory; <typeparamref name="TElement"/> is float or ushort (bfloat16).</summary>
    static abstract TSelf Load<TElement>(TElement* from)
        where TElement : unmanaged;

    /// <summary>Lanes to memory.</summary>
    static abstract void Store<TElement>(TElement* to, TSelf value)
        where TElement : unmanaged;

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    /// <summary>a b + c, with one rounding where the processor has it.</summary>
    static abstract TSelf Fma(TSelf a, TSelf b, TSelf c);

    /// <summary>Square roots.</summary>
    static abstract TSelf Sqrt(TSelf a);

    /// <summary>
    /// Each lane no smaller than low and no larger than high; what is not a number may become either.
    /// </summary>
    static abstract TSelf Clamp(TSelf a, TSelf low, TSelf high);

    /// <summary>2^n for n + 1.5 2^23 given, n whole, -126 to 128; 2^128 is infinity.</summary>
    static abstract TSelf Power(TSelf shifted);

    /// <summary>The sum of all lanes, in a fixed order.</summary>
    static abstract float Sum(TSelf a);

    /// <summary>In each lane the sum over its group of 2, 4, 8 ... neighbouring lanes, 1 to all of them.</summary>
    static abstract TSelf Grouped(TSelf a, long group);

    /// <summary>
    /// Lanes as (real, imaginary) pairs, each turned by an angle: re cos - im sin, re sin + im cos; half as many
    /// cosines and sines as lanes. One lane alone has no pair: not for <see cref="Float1"/>.
    /// </summary>
    static abstract TSelf Turn(TSelf a, float* cos, float* sin);

    /// <summary>Rotates pairs by the negative angle.</summary>
    static abstract TSelf TurnBack(TSelf a, float* cos, float* sin);
}

/// <summary>One lane: what is left over at the end of a row, and processors without vectors.</summary>
internal readonly unsafe struct Float1(float value) : IFloats<Float1>
{
    private readonly float value = value;

    public static int Width => 1;

    public static Float1 All(float value) => new(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float1 Load<TElement>(TElement* from)
        where TElement : unmanaged =>
        new(typeof(TElement) == typeof(float) ? *(float*)from : BFloat.Widen(*(ushort*)from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TElement>(TElement* to, Float1 value)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
            *(float*)to = value.value;
        else
            *(ushort*)to = BFloat.Round(value.value);
    }

    public static Float1 operator +(Float1 a, Float1 b) => new(a.value + b.value);

    public static Float1 operator -(Float1 a, Float1 b) => new(a.value - b.value);

    public static Float1 operator *(Float1 a, Float1 b) => new(a.value * b.value);

    public static Float1 operator /(Float1 a, Float1 b) => new(a.value / b.value);

    public static Float1 Fma(Float1 a, Float1 b, Float1 c) => new(a.value * b.value + c.value);

    public static Float1 Sqrt(Float1 a) => new(MathF.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float1 Clamp(Float1 a, Float1 low, Float1 high) =>
        a.value > high.value ? high
        : a.value < low.value ? low
        : a;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float1 Power(Float1 shifted) =>
        new(BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits(shifted.value) << 23) + 0x3f800000));

    public static float Sum(Float1 a) => a.value;

    public static Float1 Grouped(Float1 a, long group) => a;

    public static Float1 Turn(Float1 a, float* cos, float* sin) =>
        throw new NotSupportedException("one lane is no pair");

    public static Float1 TurnBack(Float1 a, float* cos, float* sin) =>
        throw new NotSupportedException("one lane is no pair");
}

/// <summary>bfloat16, the upper half of a float32, as its bits.</summary>
internal static class BFloat
{
    /// <summary>The float32 with the same value.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Widen(ushort bits) => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    /// <summary>The nearest bfloat16, ties to even; not a number stays so.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ushort Round(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)0x7fc0 : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
