using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// y = (x - mean) rstd (offset + scale) + shift for the tokens of a task; TIn is the type of x, TOut that of y.
/// </summary>
internal readonly unsafe struct LayerNormForward(
    Stretches cut,
    Tensor x,
    RowMemory scale,
    RowMemory shift,
    Tensor y,
    Tensor? stats,
    double offset,
    double eps
) : ITasks
{
    private readonly byte* x = TensorMemory.Pointer(x);
    private readonly byte* y = TensorMemory.Pointer(y);
    private readonly float* stats = stats is null ? null : (float*)TensorMemory.Pointer(stats);
    private readonly float* scale = scale.First;
    private readonly float* shift = shift.First;
    private readonly long scaleStep = scale.Step;
    private readonly long shiftStep = shift.Step;
    private readonly float offset = (float)offset;
    private readonly float eps = (float)eps;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TFloats, TIn, TOut>(int task)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var (first, last) = cut.Task(task);
        for (var piece = first; piece < last; piece++)
        {
            var (row, from, to) = cut.Piece(piece);
            Tokens<TFloats, TIn, TOut>(from, to, scale + row * scaleStep, shift + row * shiftStep);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Tokens<TFloats, TIn, TOut>(long from, long to, float* a, float* b)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var d = cut.Width;
        var body = d - d % TFloats.Width;
        for (var n = from; n < to; n++)
        {
            var source = (TIn*)x + n * d;
            var target = (TOut*)y + n * d;
            var mean = (Sum<TFloats, TIn>(source, 0, body) + Sum<Float1, TIn>(source, body, d)) / d;
            var square = Square<TFloats, TIn>(source, mean, 0, body) + Square<Float1, TIn>(source, mean, body, d);
            var rstd = 1 / MathF.Sqrt(square / d + eps);
            Write<TFloats, TIn, TOut>(source, target, a, b, mean, rstd, 0, body);
            Write<Float1, TIn, TOut>(source, target, a, b, mean, rstd, body, d);
            if (stats == null)
                continue;
            stats[2 * n] = mean;
            stats[2 * n + 1] = rstd;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum<TFloats, TIn>(TIn* from, long first, long last)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
    {
        var sum = TFloats.All(0);
        var other = TFloats.All(0);
        var i = first;
        for (; i + 2 * TFloats.Width <= last; i += 2 * TFloats.Width)
        {
            sum += TFloats.Load(from + i);
            other += TFloats.Load(from + i + TFloats.Width);
        }
        if (i < last)
            sum += TFloats.Load(from + i);
        return TFloats.Sum(sum + other);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Square<TFloats, TIn>(TIn* from, float mean, long first, long last)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
    {
        var sum = TFloats.All(0);
        var other = TFloats.All(0);
        var middle = TFloats.All(mean);
        var i = first;
        for (; i + 2 * TFloats.Width <= last; i += 2 * TFloats.Width)
        {
            var (left, right) = (TFloats.Load(from + i) - middle, TFloats.Load(from + i + TFloats.Width) - middle);
            sum = TFloats.Fma(left, left, sum);
            other = TFloats.Fma(right, right, other);
        }
        if (i < last)
        {
            var left = TFloats.Load(from + i) - middle;
            sum = TFloats.Fma(left, left, sum);
        }
        return TFloats.Sum(sum + other);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Write<TFloats, TIn, TOut>(
        TIn* source,
        TOut* target,
        float* a,
        float* b,
        float mean,
        float rstd,
        long first,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var (middle, r, plus) = (TFloats.All(mean), TFloats.All(rstd), TFloats.All(offset));
        for (var i = first; i < last; i += TFloats.Width)
        {
            var h = (TFloats.Load(source + i) - middle) * r;
            TFloats.Store(target + i, TFloats.Fma(h, TFloats.Load(a + i) + plus, TFloats.Load(b + i)));
        }
    }
}
