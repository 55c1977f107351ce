using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// y = turned(x r weight), r = 1 / sqrt(mean(x^2) + eps), for the tokens of a task; TIn is the type of x and y.
/// </summary>
internal readonly unsafe struct RmsNormForward(
    Stretches cut,
    Tensor x,
    RowMemory weight,
    Turns turns,
    Tensor y,
    Tensor? stats,
    double eps
) : ITasks
{
    private readonly byte* x = TensorMemory.Pointer(x);
    private readonly byte* y = TensorMemory.Pointer(y);
    private readonly float* stats = stats is null ? null : (float*)TensorMemory.Pointer(stats);
    private readonly float* weight = weight.First;
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
            var (_, from, to) = cut.Piece(piece);
            for (var n = from; n < to; n++)
                Token<TFloats, TIn>(n, (TIn*)x + n * cut.Width, (TIn*)y + n * cut.Width);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Token<TFloats, T>(long token, T* source, T* target)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var d = cut.Width;
        var body = d - d % TFloats.Width;
        var square = Square<TFloats, T>(source, 0, body) + Square<Float1, T>(source, body, d);
        var r = 1 / MathF.Sqrt(square / d + eps);
        if (stats != null)
            stats[token] = r;
        if (turns.Span == 0)
        {
            Write<TFloats, T>(source, target, r, 0, body);
            Write<Float1, T>(source, target, r, body, d);
            return;
        }
        var (cos, sin, span) = ((nint)turns.Cos(token), (nint)turns.Sin(token), turns.Span);
        body = TFloats.Width == 1 ? 0 : span - span % TFloats.Width;
        for (var head = 0L; head < d; head += span)
        {
            Turned<TFloats, T>(source + head, target + head, weight + head, r, (float*)cos, (float*)sin, body);
            if (body == span)
                continue;
            Pairs(source + head, target + head, weight + head, r, (float*)cos, (float*)sin, body, span);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Square<TFloats, T>(T* from, long first, long last)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var (sum, other) = (TFloats.All(0), TFloats.All(0));
        var i = first;
        for (; i + 2 * TFloats.Width <= last; i += 2 * TFloats.Width)
        {
            var (left, right) = (TFloats.Load(from + i), TFloats.Load(from + i + TFloats.Width));
            sum = TFloats.Fma(left, left, sum);
            other = TFloats.Fma(right, right, other);
        }
        if (i < last)
        {
            var left = TFloats.Load(from + i);
            sum = TFloats.Fma(left, left, sum);
        }
        return TFloats.Sum(sum + other);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Write<TFloats, T>(T* source, T* target, float r, long first, long last)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        for (var i = first; i < last; i += TFloats.Width)
            TFloats.Store(target + i, TFloats.Load(source + i) * TFloats.All(r) * TFloats.Load(weight + i));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Turned<TFloats, T>(
        T* source,
        T* target,
        float* weight,
        float r,
        float* cos,
        float* sin,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        for (var i = 0L; i < last; i += TFloats.Width)
        {
            var z = TFloats.Load(source + i) * TFloats.All(r) * TFloats.Load(weight + i);
            TFloats.Store(target + i, TFloats.Turn(z, cos + i / 2, sin + i / 2));
        }
    }

    private static void Pairs<T>(
        T* source,
        T* target,
        float* weight,
        float r,
        float* cos,
        float* sin,
        long first,
        long last
    )
        where T : unmanaged
    {
        for (var i = first; i < last; i += 2)
        {
            var re = Float1.Load(source + i) * Float1.All(r) * Float1.Load(weight + i);
            var im = Float1.Load(source + i + 1) * Float1.All(r) * Float1.Load(weight + i + 1);
            var (c, s) = (Float1.Load(cos + i / 2), Float1.Load(sin + i / 2));
            Float1.Store(target + i, re * c - im * s);
            Float1.Store(target + i + 1, re * s + im * c);
        }
    }
}

/// <summary>
/// Gradients of the RMS norm from g, that of its result. With z = g turned back, h = x r and u = z weight: dx = r (u -
/// h mean(u h)), dweight = sum of z h over the tokens. TIn is the type of x, g and dx.
/// </summary>
internal readonly unsafe struct RmsNormBackward(
    Stretches cut,
    Tensor x,
    RowMemory weight,
    Turns turns,
    Tensor stats,
    Tensor g,
    Tensor dx,
    Tensor? dweight
) : ITasks
{
    private const int Block = 4; // tokens whose sums for the weight are gathered at once
    private readonly byte* x = TensorMemory.Pointer(x);
    private readonly byte* g = TensorMemory.Pointer(g);
    private readonly byte* dx = TensorMemory.Pointer(dx);
    private readonly float* stats = (float*)TensorMemory.Pointer(stats);
    private readonly float* dweight = dweight is null ? null : (float*)TensorMemory.Pointer(dweight);
    private readonly float* weight = weight.First;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TFloats, TIn, TOut>(int task)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged
    {
        var (first, last) = cut.Task(task);
        var d = cut.Width;
        var z = (float*)NativeMemory.AlignedAlloc((nuint)((Block + 1) * d * sizeof(float)), 64);
        for (var piece = first; piece < last; piece++)
        {
            var (_, from, to) = cut.Piece(piece);
            var sums = dweight == null ? z + Block * d : dweight + piece * d;
            new Span<float>(sums, (int)d).Clear();
            for (var n = from; n < to; n += Block)
                Tokens<TFloats, TIn>(n, (int)Math.Min(Block, to - n), z, sums);
        }
        NativeMemory.AlignedFree(z);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Tokens<TFloats, T>(long token, int count, float* z, float* sums)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var d = cut.Width;
        var body = d - d % TFloats.Width;
        var numbers = stackalloc float[2 * Block];
        var source = (T*)x + token * d;
        var slope = (T*)g + token * d;
        for (var n = 0; n < count; n++)
        {
            var r = stats[token + n];
            TurnBack<TFloats, T>(token + n, slope + n * d, z + n * d);
            var dot = Dot<TFloats, T>(source + n * d, z + n * d, 0, body);
            dot += Dot<Float1, T>(source + n * d, z + n * d, body, d);
            numbers[2 * n] = r;
            numbers[2 * n + 1] = dot / d * r * r * r;
        }
        var target = (T*)dx + token * d;
        Columns<TFloats, T>(source, z, target, sums, numbers, count, 0, body);
        Columns<Float1, T>(source, z, target, sums, numbers, count, body, d);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TurnBack<TFloats, T>(long token, T* slope, float* z)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var (d, span) = (cut.Width, turns.Span);
        if (span == 0)
        {
            var end = d - d % TFloats.Width;
            for (var i = 0L; i < end; i += TFloats.Width)
                TFloats.Store(z + i, TFloats.Load(slope + i));
            for (var i = end; i < d; i++)
                Float1.Store(z + i, Float1.Load(slope + i));
            return;
        }
        var cos = turns.Cos(token);
        var sin = turns.Sin(token);
        var body = TFloats.Width == 1 ? 0 : span - span % TFloats.Width;
        for (var head = 0L; head < d; head += span)
        {
            for (var i = 0L; i < body; i += TFloats.Width)
                TFloats.Store(z + head + i, TFloats.TurnBack(TFloats.Load(slope + head + i), cos + i / 2, sin + i / 2));
            for (var i = body; i < span; i += 2)
            {
                var (re, im) = (Float1.Load(slope + head + i), Float1.Load(slope + head + i + 1));
                var (c, s) = (Float1.Load(cos + i / 2), Float1.Load(sin + i / 2));
                Float1.Store(z + head + i, re * c + im * s);
                Float1.Store(z + head + i + 1, im * c - re * s);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private float Dot<TFloats, T>(T* source, float* z, long first, long last)
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var sum = TFloats.All(0);
        for (var i = first; i < last; i += TFloats.Width)
            sum = TFloats.Fma(TFloats.Load(z + i) * TFloats.Load(weight + i), TFloats.Load(source + i), sum);
        return TFloats.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Columns<TFloats, T>(
        T* source,
        float* z,
        T* target,
        float* sums,
        float* numbers,
        int count,
        long first,
        long last
    )
        where TFloats : unmanaged, IFloats<TFloats>
        where T : unmanaged
    {
        var d = cut.Width;
        for (var i = first; i < last; i += TFloats.Width)
        {
            var (w, sum) = (TFloats.Load(weight + i), TFloats.Load(sums + i));
            for (var n = 0; n < count; n++)
            {
                var (slope, v, r) = (
                    TFloats.Load(z + n * d + i),
                    TFloats.Load(source + n * d + i),
                    TFloats.All(numbers[2 * n])
                );
                slope *= r;
                sum = TFloats.Fma(slope, v, sum);
                TFloats.Store(target + n * d + i, slope * w - v * TFloats.All(numbers[2 * n + 1]));
            }
            TFloats.Store(sums + i, sum);
        }
    }
}
