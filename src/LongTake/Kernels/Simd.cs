using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Widths of the vectors a kernel calculates with; a number more than the processor has is taken as what it has.
/// </summary>
internal enum Simd
{
    /// <summary>One number at a time.</summary>
    Scalar,

    /// <summary>Eight float32.</summary>
    V256,

    /// <summary>Sixteen float32.</summary>
    V512,
}

/// <summary>What the processor has.</summary>
internal static class SimdSupport
{
    /// <summary>The widest that runs here.</summary>
    public static Simd Best { get; } =
        L512.IsSupported ? Simd.V512
        : L256.IsSupported ? Simd.V256
        : Simd.Scalar;

    /// <summary><paramref name="wanted"/>, or the widest there is.</summary>
    public static Simd Limit(Simd wanted) => wanted < Best ? wanted : Best;
}

/// <summary>
/// A vector of float32 and what kernels do with it. Kernels are written once over a pair of struct types (the
/// operations and the vector), so that each width is compiled to its own instructions.
/// </summary>
/// <typeparam name="V">The vector.</typeparam>
internal unsafe interface ILanes<V>
    where V : struct
{
    /// <summary>Numbers in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>True where 24 vectors of sums fit into the registers.</summary>
    static abstract bool ManyRegisters { get; }

    static abstract V Load(float* from);

    static abstract void Store(float* to, V x);

    /// <summary>Bfloat16 from memory.</summary>
    static abstract V LoadHalf(ushort* from);

    /// <summary>To bfloat16 in memory, rounded to the nearest, ties to even; not a number stays so.</summary>
    static abstract void StoreHalf(ushort* to, V x);

    static abstract V All(float x);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    static abstract V Multiply(V a, V b);

    static abstract V Divide(V a, V b);

    /// <summary>a b + c, rounded once.</summary>
    static abstract V Fused(V a, V b, V c);

    /// <summary>The larger; <paramref name="b"/> where either is not a number.</summary>
    static abstract V Larger(V a, V b);

    /// <summary>p times two to the power that the low bits of <paramref name="shifted"/> hold.</summary>
    static abstract V Power(V p, V shifted);

    /// <summary>
    /// x in the lanes whose number (the first lane's is <paramref name="first"/>) lies in [from, until), else minus
    /// infinity.
    /// </summary>
    static abstract V Between(V x, int first, int from, int until);
}
