using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Each pixel's channels divided by their Euclidean norm (no less than 1e-12), times gamma; then SiLU, y sigmoid(y), if
/// wanted. One pass, float32 inside, no gradient.
/// </summary>
internal static class PixelNormKernel
{
    /// <summary>
    /// x [B, C, ...] on the CPU, float32 or bfloat16, and gamma of C numbers. Memory may have the channels last, or is
    /// brought into order; the result is like x, its memory too.
    /// </summary>
    /// <exception cref="ArgumentException">Sizes that do not fit, another device or type.</exception>
    public static Tensor Forward(Tensor x, Tensor gamma, bool silu)
    {
        Graph.Check(x);
        if (x.dim() < 3 || gamma.numel() != x.size(1) || x.numel() == 0)
        {
            throw new ArgumentException($"gamma [{Graph.Sizes(gamma)}] is not for the channels of [{Graph.Sizes(x)}]");
        }
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var rows = gamma.to(ScalarType.Float32).contiguous();
        var moved = Last(x);
        var lies = moved.is_contiguous();
        if (!lies)
            moved = x.contiguous();
        var y = lies ? First(empty(moved.shape, x.dtype)) : empty(x.shape, x.dtype);
        var (channels, pixels) = (x.size(1), x.numel() / x.size(1));
        if (lies)
        {
            var loop = new Rows(moved, rows, y, silu, pixels, channels);
            Dispatch.Run(loop, x.dtype, x.dtype, Rows.Tasks(pixels, channels), 2 * x.numel());
        }
        else
        {
            var loop = new Planes(moved, rows, y, silu, pixels / x.size(0), channels, x.element_size());
            Dispatch.Run(loop, x.dtype, x.dtype, loop.Tasks((int)x.size(0)), 2 * x.numel());
        }
        GC.KeepAlive(moved);
        GC.KeepAlive(rows);
        return y.MoveToOuterDisposeScope();
    }

    private static Tensor Last(Tensor x) => x.movedim([1], [x.dim() - 1]);

    private static Tensor First(Tensor x) => x.movedim([x.dim() - 1], [1]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloats Out<TFloats>(TFloats y, bool silu)
        where TFloats : unmanaged, IFloats<TFloats> => silu ? y * VectorMath.Sigmoid(y) : y;

    // Channels side by side: one pixel after the other.
    private readonly unsafe struct Rows(Tensor x, Tensor gamma, Tensor y, bool silu, long pixels, long channels)
        : ITasks
    {
        private readonly byte* x = TensorMemory.Pointer(x);
        private readonly byte* y = TensorMemory.Pointer(y);
        private readonly float* gamma = (float*)TensorMemory.Pointer(gamma);

        private readonly long length = Length(channels);

        // Pixels of a task.
        private static long Length(long channels) => Math.Max(64, 8192 / channels);

        public static int Tasks(long pixels, long channels) =>
            (int)((pixels + Length(channels) - 1) / Length(channels));

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var first = task * length;
            var last = Math.Min(first + length, pixels);
            if (channels < TFloats.Width && TFloats.Width % channels == 0)
                first = Several<TFloats, TIn>(first, last);
            var body = channels - channels % TFloats.Width;
            for (var n = first; n < last; n++)
            {
                var from = (TIn*)x + n * channels;
                var to = (TIn*)y + n * channels;
                var square = Square<TFloats, TIn>(from, 0, body) + Square<Float1, TIn>(from, body, channels);
                var r = 1 / MathF.Sqrt(Math.Max(square, 1e-24f));
                Write<TFloats, TIn>(from, to, r, 0, body);
                Write<Float1, TIn>(from, to, r, body, channels);
            }
        }

        // Several pixels to a vector; the first pixel that is left.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private long Several<TFloats, T>(long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            var repeated = stackalloc float[TFloats.Width];
            for (var i = 0; i < TFloats.Width; i++)
                repeated[i] = gamma[i % channels];
            var factor = TFloats.Load(repeated);
            var together = TFloats.Width / channels;
            for (; first + together <= last; first += together)
            {
                var v = TFloats.Load((T*)x + first * channels);
                var r = TFloats.All(1) / TFloats.Sqrt(TFloats.Grouped(v * v, channels) + TFloats.All(1e-24f));
                TFloats.Store((T*)y + first * channels, Out(v * r * factor, silu));
            }
            return first;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static float Square<TFloats, T>(T* from, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            var sum = TFloats.All(0);
            for (var i = first; i < last; i += TFloats.Width)
            {
                var v = TFloats.Load(from + i);
                sum = TFloats.Fma(v, v, sum);
            }
            return TFloats.Sum(sum);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Write<TFloats, T>(T* from, T* to, float r, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
                TFloats.Store(to + i, Out(TFloats.Load(from + i) * TFloats.All(r) * TFloats.Load(gamma + i), silu));
        }
    }

    // Channels as planes of pixels: some pixels at a time, so few that all their channels stay in the cache for the
    // second reading.
    private readonly unsafe struct Planes(
        Tensor x,
        Tensor gamma,
        Tensor y,
        bool silu,
        long plane,
        long channels,
        long size
    ) : ITasks
    {
        private readonly byte* x = TensorMemory.Pointer(x);
        private readonly byte* y = TensorMemory.Pointer(y);
        private readonly float* gamma = (float*)TensorMemory.Pointer(gamma);
        private readonly long length = Math.Clamp((1 << 18) / (channels * size) & -64, 64, 4096);

        public int Tasks(int samples) => (int)(samples * Parts);

        private long Parts => (plane + length - 1) / length;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var first = task % Parts * length;
            var count = Math.Min(length, plane - first);
            var at = task / Parts * channels * plane + first;
            var body = count - count % TFloats.Width;
            var squares = (float*)NativeMemory.AlignedAlloc((nuint)(count * sizeof(float)), 64);
            Pixels<TFloats, TIn>((TIn*)x + at, (TIn*)y + at, squares, 0, body);
            Pixels<Float1, TIn>((TIn*)x + at, (TIn*)y + at, squares, body, count);
            NativeMemory.AlignedFree(squares);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Pixels<TFloats, T>(T* from, T* to, float* squares, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
                TFloats.Store(squares + i, TFloats.All(1e-24f));
            for (var c = 0L; c < channels; c++)
            {
                for (var i = first; i < last; i += TFloats.Width)
                {
                    var v = TFloats.Load(from + c * plane + i);
                    TFloats.Store(squares + i, TFloats.Fma(v, v, TFloats.Load(squares + i)));
                }
            }
            for (var i = first; i < last; i += TFloats.Width)
                TFloats.Store(squares + i, TFloats.All(1) / TFloats.Sqrt(TFloats.Load(squares + i)));
            for (var c = 0L; c < channels; c++)
            {
                var factor = TFloats.All(gamma[c]);
                for (var i = first; i < last; i += TFloats.Width)
                {
                    var v = TFloats.Load(from + c * plane + i) * TFloats.Load(squares + i) * factor;
                    TFloats.Store(to + c * plane + i, Out(v, silu));
                }
            }
        }
    }
}
