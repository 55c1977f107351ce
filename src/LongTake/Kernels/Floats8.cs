using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>8 lanes in a 256-bit register.</summary>
internal readonly unsafe struct Floats8(Vector256<float> value) : IFloats<Floats8>
{
    private readonly Vector256<float> value = value;

    public static int Width => 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 All(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Load<TElement>(TElement* from)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
            return new(Vector256.Load((float*)from));
        var bits = Vector256.WidenLower(Vector128.Load((ushort*)from).ToVector256Unsafe());
        return new(Vector256.ShiftLeft(bits, 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TElement>(TElement* to, Floats8 value)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            Vector256.Store(value.value, (float*)to);
            return;
        }
        var bits = value.value.AsUInt32();
        var odd = Vector256.BitwiseAnd(Vector256.ShiftRightLogical(bits, 16), Vector256.Create(1u));
        var rounded = bits + Vector256.Create(0x7fffu) + odd;
        var number = Vector256.Equals(value.value, value.value);
        var safe = Vector256.ConditionalSelect(number, rounded.AsSingle(), Vector256.Create(0x7fc00000u).AsSingle());
        Vector128.Store(Upper(safe.AsUInt32()), (ushort*)to);
    }

    // The upper half of each number.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ushort> Upper(Vector256<uint> bits)
    {
        var low = Vector256.ShiftRightLogical(bits, 16);
        return Vector256.Narrow(low, low).GetLower();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 operator +(Floats8 a, Floats8 b) => new(a.value + b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 operator -(Floats8 a, Floats8 b) => new(a.value - b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 operator *(Floats8 a, Floats8 b) => new(a.value * b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 operator /(Floats8 a, Floats8 b) => new(a.value / b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Fma(Floats8 a, Floats8 b, Floats8 c) =>
        new(Vector256.MultiplyAddEstimate(a.value, b.value, c.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Sqrt(Floats8 a) => new(Vector256.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Clamp(Floats8 a, Floats8 low, Floats8 high) =>
        new(Vector256.MinNative(Vector256.MaxNative(a.value, low.value), high.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Power(Floats8 shifted) =>
        new((Vector256.ShiftLeft(shifted.value.AsInt32(), 23) + Vector256.Create(0x3f800000)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Floats8 a) => Vector128.Sum(a.value.GetLower() + a.value.GetUpper());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Grouped(Floats8 a, long group)
    {
        var sum = a.value;
        if (group > 1)
            sum += Vector256.Shuffle(sum, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
        if (group > 2)
            sum += Vector256.Shuffle(sum, Vector256.Create(2, 3, 0, 1, 6, 7, 4, 5));
        if (group > 4)
            sum += Vector256.Shuffle(sum, Vector256.Create(4, 5, 6, 7, 0, 1, 2, 3));
        return new(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 Turn(Floats8 a, float* cos, float* sin) =>
        Turned(a, cos, sin, Vector256.Create(0x80000000ul).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats8 TurnBack(Floats8 a, float* cos, float* sin) =>
        Turned(a, cos, sin, Vector256.Create(0x80000000_00000000ul).AsSingle());

    // Each cosine for both lanes of its pair, each sine with one sign flipped, times the pair with its lanes exchanged.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Floats8 Turned(Floats8 a, float* cos, float* sin, Vector256<float> signs)
    {
        var c = Vector256.Shuffle(Vector128.Load(cos).ToVector256Unsafe(), Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3));
        var s = Vector256.Shuffle(Vector128.Load(sin).ToVector256Unsafe(), Vector256.Create(0, 0, 1, 1, 2, 2, 3, 3));
        var exchanged = Vector256.Shuffle(a.value, Vector256.Create(1, 0, 3, 2, 5, 4, 7, 6));
        return new(Vector256.MultiplyAddEstimate(a.value, c, exchanged * Vector256.Xor(s, signs)));
    }
}
