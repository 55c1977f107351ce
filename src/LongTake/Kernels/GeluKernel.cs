using System.Runtime.CompilerServices;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LongTake.Kernels;

/// <summary>
/// GELU in its tanh form, .5 x (1 + tanh u) with u = sqrt(2 / pi) (x + .044715 x^3), computed as x sigmoid(2 u), in one
/// pass over memory. One derivative, no second.
/// </summary>
internal static class GeluKernel
{
    private const int Length = 1 << 13; // elements of a task
    private const float Twice = 1.5957691216f; // 2 sqrt(2 / pi)
    private const float Cube = 0.044715f;

    /// <summary>x of any sizes on the CPU, float32 or bfloat16; the result is alike.</summary>
    /// <exception cref="ArgumentException">Another device or type.</exception>
    public static Tensor Forward(Tensor x)
    {
        Backwards.Release();
        Graph.Check(x);
        using var scope = NewDisposeScope();
        var y = Graph.Records(x) ? Function.apply(x) : Run(x.contiguous());
        return y.MoveToOuterDisposeScope();
    }

    private static Tensor Run(Tensor x)
    {
        var y = empty(x.shape, x.dtype);
        var count = x.numel();
        Dispatch.Run(new ForwardTasks(x, y, count), x.dtype, x.dtype, Tasks(count), 2 * count);
        GC.KeepAlive(x);
        return y;
    }

    private static int Tasks(long count) => (int)((count + Length - 1) / Length);

    private sealed class Function : SingleTensorFunction<Function>
    {
        public override string Name => "Gelu";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var x = ((Tensor)vars[0]).contiguous();
            ctx.set_materialize_grads(false);
            ctx.save_for_backward([x]);
            return Run(x);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) =>
            Graph.Backward(ctx, grad_output, 1, (gradient, saved) =>
            {
                var (x, g) = (saved[0], gradient.to(saved[0].dtype).contiguous());
                var (dx, count) = (empty_like(x), x.numel());
                Dispatch.Run(new BackwardTasks(x, g, dx, count), x.dtype, x.dtype, Tasks(count), 2 * count);
                GC.KeepAlive(g);
                return [dx];
            });
    }

    private readonly unsafe struct ForwardTasks(Tensor x, Tensor y, long count) : ITasks
    {
        private readonly byte* x = TensorMemory.Pointer(x);
        private readonly byte* y = TensorMemory.Pointer(y);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var first = (long)task * Length;
            var last = Math.Min(first + Length, count);
            var body = last - (last - first) % TFloats.Width;
            Elements<TFloats, TIn>((TIn*)x, (TIn*)y, first, body);
            Elements<Float1, TIn>((TIn*)x, (TIn*)y, body, last);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Elements<TFloats, T>(T* from, T* to, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
            {
                var v = TFloats.Load(from + i);
                TFloats.Store(to + i, v * VectorMath.Sigmoid(Doubled(v)));
            }
        }
    }

    // With s = sigmoid(2 u): dx = g (s + x s (1 - s) (2 u)').
    private readonly unsafe struct BackwardTasks(Tensor x, Tensor g, Tensor dx, long count) : ITasks
    {
        private readonly byte* x = TensorMemory.Pointer(x);
        private readonly byte* g = TensorMemory.Pointer(g);
        private readonly byte* dx = TensorMemory.Pointer(dx);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var first = (long)task * Length;
            var last = Math.Min(first + Length, count);
            var body = last - (last - first) % TFloats.Width;
            Elements<TFloats, TIn>((TIn*)x, (TIn*)g, (TIn*)dx, first, body);
            Elements<Float1, TIn>((TIn*)x, (TIn*)g, (TIn*)dx, body, last);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Elements<TFloats, T>(T* x, T* g, T* dx, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where T : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
            {
                var v = TFloats.Load(x + i);
                var s = VectorMath.Sigmoid(Doubled(v));
                var inner = TFloats.Fma(v * v, TFloats.All(3 * Twice * Cube), TFloats.All(Twice));
                var slope = TFloats.Fma(v * s * (TFloats.All(1) - s), inner, s);
                TFloats.Store(dx + i, TFloats.Load(g + i) * slope);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloats Doubled<TFloats>(TFloats v)
        where TFloats : unmanaged, IFloats<TFloats> =>
        v * TFloats.Fma(v * v, TFloats.All(Twice * Cube), TFloats.All(Twice));
}
