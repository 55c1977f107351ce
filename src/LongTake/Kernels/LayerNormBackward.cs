using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Gradients of the layer norm from g, that of its result. With h = (x - mean) rstd and u = g (offset + scale):
/// dx = rstd (u - mean(u) - h mean(u h)), dscale = sum of g h, dshift = sum of g, over the tokens of a row.
/// TIn is the type of x and dx, TOut that of g.
/// </summary>
internal readonly unsafe struct LayerNormBackward(
    Stretches cut,
    Tensor x,
    RowMemory scale,
    Tensor stats,
    Tensor g,
    Tensor dx,
    Tensor? dscale,
    Tensor? dshift,
    double offset
) : ITasks
{
    private const int Block = 4; // tokens whose row sums are gathered at once
    private readonly byte* x = TensorMemory.Pointer(x);
    private readonly byte* g = TensorMemory.Pointer(g);
    private readonly byte* dx = TensorMemory.Pointer(dx);
    private readonly float* stats = (float*)TensorMemory.Pointer(stats);
    private readonly float* dscale = dscale is null ? null : (float*)TensorMemory.Pointer(dscale);
    private readonly float* dshift = dshift is null ? null : (float*)TensorMemory.Pointer(dshift);
    private readonly float* scale = scale.First;
    private readonly long step = scale.Step;
    private readonly float offset = (float)offset;

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
            if (dscale != null)
            {
                new Span<float>(dscale + piece * cut.Width, (int)cut.Width).Clear();
                new Span<float>(dshift + piece * cut.Width, (int)cut.Width).Clear();
            }
            for (var n = from; n < to; n += Block)
                Tokens<TFloats, TIn, TOut>(n, (int)Math.Min(Block, to - n), scale + row * step, piece);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Tokens<TFloats, TIn, TOut>(long token, int count, float* a, long piece)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var d = cut.Width;
        var body = d - d % TFloats.Width;
        var numbers = stackalloc float[4 * Block];
        var source = (TIn*)x + token * d;
        var slope = (TOut*)g + token * d;
        for (var n = 0; n < count; n++)
        {
            var (mean, rstd) = (stats[2 * (token + n)], stats[2 * (token + n) + 1]);
            var (sum, dot) = Means<TFloats, TIn, TOut>(source + n * d, slope + n * d, a, mean, rstd, 0, body);
            var (sum1, dot1) = Means<Float1, TIn, TOut>(source + n * d, slope + n * d, a, mean, rstd, body, d);
            numbers[4 * n] = mean;
            numbers[4 * n + 1] = rstd;
            numbers[4 * n + 2] = (sum + sum1) / d * rstd;
            numbers[4 * n + 3] = (dot + dot1) / d * rstd;
        }
        var target = (TIn*)dx + token * d;
        if (dscale == null)
        {
            Columns<TFloats, TIn, TOut>(source, slope, target, a, numbers, count, 0, body);
            Columns<Float1, TIn, TOut>(source, slope, target, a, numbers, count, body, d);
            return;
        }
        var da = dscale + piece * d;
        var db = dshift + piece * d;
        Gathered<TFloats, TIn, TOut>(source, slope, target, a, da, db, numbers, count, 0, body);
        Gathered<Float1, TIn, TOut>(source, slope, target, a, da, db, numbers, count, body, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (float Sum, float Dot) Means<TFloats, TIn, TOut>(
        TIn* x,
        TOut* g,
        float* a,
        float mean,
        float rstd,
        long first,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var (sum, dot) = (TFloats.All(0), TFloats.All(0));
        var (middle, plus) = (TFloats.All(mean), TFloats.All(offset));
        for (var i = first; i < last; i += TFloats.Width)
        {
            var u = TFloats.Load(g + i) * (TFloats.Load(a + i) + plus);
            sum += u;
            dot = TFloats.Fma(u, TFloats.Load(x + i) - middle, dot);
        }
        return (TFloats.Sum(sum), TFloats.Sum(dot) * rstd);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Gathered<TFloats, TIn, TOut>(
        TIn* x,
        TOut* g,
        TIn* dx,
        float* a,
        float* da,
        float* db,
        float* numbers,
        int count,
        long first,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var d = cut.Width;
        for (var i = first; i < last; i += TFloats.Width)
        {
            var factor = TFloats.Load(a + i) + TFloats.All(offset);
            var (toScale, toShift) = (TFloats.Load(da + i), TFloats.Load(db + i));
            for (var n = 0; n < count; n++)
            {
                var slope = TFloats.Load(g + n * d + i);
                var h = Normal<TFloats, TIn>(x + n * d + i, numbers + 4 * n);
                toScale = TFloats.Fma(slope, h, toScale);
                toShift += slope;
                TFloats.Store(dx + n * d + i, Slope(slope * factor, h, numbers + 4 * n));
            }
            TFloats.Store(da + i, toScale);
            TFloats.Store(db + i, toShift);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Columns<TFloats, TIn, TOut>(
        TIn* x,
        TOut* g,
        TIn* dx,
        float* a,
        float* numbers,
        int count,
        long first,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var d = cut.Width;
        for (var i = first; i < last; i += TFloats.Width)
        {
            var factor = TFloats.Load(a + i) + TFloats.All(offset);
            for (var n = 0; n < count; n++)
            {
                var h = Normal<TFloats, TIn>(x + n * d + i, numbers + 4 * n);
                TFloats.Store(dx + n * d + i, Slope(TFloats.Load(g + n * d + i) * factor, h, numbers + 4 * n));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloats Normal<TFloats, TIn>(TIn* x, float* numbers)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged => (TFloats.Load(x) - TFloats.All(numbers[0])) * TFloats.All(numbers[1]);

    // rstd u - rstd mean(u) - h rstd mean(u h)
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloats Slope<TFloats>(TFloats u, TFloats h, float* numbers)
        where TFloats : unmanaged, IFloats<TFloats> =>
        TFloats.Fma(u, TFloats.All(numbers[1]), TFloats.All(-numbers[2])) - h * TFloats.All(numbers[3]);
}
