using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>16 lanes in a 512-bit register.</summary>
internal readonly unsafe struct Floats16(Vector512<float> value) : IFloats<Floats16>
{
    private readonly Vector512<float> value = value;

    public static int Width => 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 All(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Load<TElement>(TElement* from)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
            return new(Vector512.Load((float*)from));
        var bits = Vector512.WidenLower(Vector256.Load((ushort*)from).ToVector512Unsafe());
        return new(Vector512.ShiftLeft(bits, 16).AsSingle());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<TElement>(TElement* to, Floats16 value)
        where TElement : unmanaged
    {
        if (typeof(TElement) == typeof(float))
        {
            Vector512.Store(value.value, (float*)to);
            return;
        }
        var bits = value.value.AsUInt32();
        var odd = Vector512.BitwiseAnd(Vector512.ShiftRightLogical(bits, 16), Vector512.Create(1u));
        var rounded = bits + Vector512.Create(0x7fffu) + odd;
        var number = Vector512.Equals(value.value, value.value);
        var safe = Vector512.ConditionalSelect(number, rounded.AsSingle(), Vector512.Create(0x7fc00000u).AsSingle());
        Vector256.Store(Upper(safe.AsUInt32()), (ushort*)to);
    }

    // The upper half of each number.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Upper(Vector512<uint> bits)
    {
        if (!Avx512BW.IsSupported)
        {
            var low = Vector512.ShiftRightLogical(bits, 16);
            return Vector512.Narrow(low, low).GetLower();
        }
        var odd = Vector512.Create(
            (ushort)1,
            3,
            5,
            7,
            9,
            11,
            13,
            15,
            17,
            19,
            21,
            23,
            25,
            27,
            29,
            31,
            1,
            3,
            5,
            7,
            9,
            11,
            13,
            15,
            17,
            19,
            21,
            23,
            25,
            27,
            29,
            31
        );
        return Avx512BW.PermuteVar32x16(bits.AsUInt16(), odd).GetLower();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 operator +(Floats16 a, Floats16 b) => new(a.value + b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 operator -(Floats16 a, Floats16 b) => new(a.value - b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 operator *(Floats16 a, Floats16 b) => new(a.value * b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 operator /(Floats16 a, Floats16 b) => new(a.value / b.value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Fma(Floats16 a, Floats16 b, Floats16 c) =>
        new(Vector512.MultiplyAddEstimate(a.value, b.value, c.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Sqrt(Floats16 a) => new(Vector512.Sqrt(a.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Clamp(Floats16 a, Floats16 low, Floats16 high) =>
        new(Vector512.MinNative(Vector512.MaxNative(a.value, low.value), high.value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Power(Floats16 shifted) =>
        new((Vector512.ShiftLeft(shifted.value.AsInt32(), 23) + Vector512.Create(0x3f800000)).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Floats16 a)
    {
        var half = a.value.GetLower() + a.value.GetUpper();
        return Vector128.Sum(half.GetLower() + half.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Grouped(Floats16 a, long group)
    {
        var sum = a.value;
        if (group > 1)
            sum += Vector512.Shuffle(sum, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
        if (group > 2)
            sum += Vector512.Shuffle(sum, Vector512.Create(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
        if (group > 4)
            sum += Vector512.Shuffle(sum, Vector512.Create(4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
        if (group > 8)
            sum += Vector512.Shuffle(sum, Vector512.Create(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
        return new(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 Turn(Floats16 a, float* cos, float* sin) =>
        Turned(a, cos, sin, Vector512.Create(0x80000000ul).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Floats16 TurnBack(Floats16 a, float* cos, float* sin) =>
        Turned(a, cos, sin, Vector512.Create(0x80000000_00000000ul).AsSingle());

    // Each cosine for both lanes of its pair, each sine with one sign flipped, times the pair with its lanes exchanged.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Floats16 Turned(Floats16 a, float* cos, float* sin, Vector512<float> signs)
    {
        var c = Vector512.Shuffle(
            Vector256.Load(cos).ToVector512Unsafe(),
            Vector512.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
        );
        var s = Vector512.Shuffle(
            Vector256.Load(sin).ToVector512Unsafe(),
            Vector512.Create(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7)
        );
        var exchanged = Vector512.Shuffle(
            a.value,
            Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
        );
        return new(Vector512.MultiplyAddEstimate(a.value, c, exchanged * Vector512.Xor(s, signs)));
    }
}
