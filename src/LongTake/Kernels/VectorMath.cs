using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>The exponential and what is made of it, over lanes.</summary>
internal static class VectorMath
{
    private const float Shift = 12582912f; // 1.5 2^23: a float this large has no bits below one

    /// <summary>
    /// e^x: two to an integer times a polynomial on [-ln 2 / 2, ln 2 / 2], relative error 1e-7. From 88.4 on
    /// infinity, below -87 e^-87.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloats Exp<TFloats>(TFloats x)
        where TFloats : unmanaged, IFloats<TFloats>
    {
        x = TFloats.Clamp(x, TFloats.All(-87f), TFloats.All(88.8f));
        var shifted = TFloats.Fma(x, TFloats.All(1.44269504f), TFloats.All(Shift));
        var n = shifted - TFloats.All(Shift);
        var r = TFloats.Fma(n, TFloats.All(-0.693359375f), x);
        r = TFloats.Fma(n, TFloats.All(2.12194440e-4f), r);
        var p = TFloats.Fma(r, TFloats.All(1f / 720), TFloats.All(1f / 120));
        p = TFloats.Fma(p, r, TFloats.All(1f / 24));
        p = TFloats.Fma(p, r, TFloats.All(1f / 6));
        p = TFloats.Fma(p, r, TFloats.All(0.5f));
        p = TFloats.Fma(p, r, TFloats.All(1f));
        p = TFloats.Fma(p, r, TFloats.All(1f));
        return p * TFloats.Power(shifted);
    }

    /// <summary>1 / (1 + e^-x), exactly 0 below -88.4.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TFloats Sigmoid<TFloats>(TFloats x)
        where TFloats : unmanaged, IFloats<TFloats>
    {
        var one = TFloats.All(1f);
        return one / (one + Exp(TFloats.All(0f) - x));
    }
}
