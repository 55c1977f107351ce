using System.Runtime.CompilerServices;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LongTake.Kernels;

/// <summary>
/// The residual stream x, float32, plus y times a gate, in one pass over memory. One derivative, no second.
/// </summary>
internal static class GatedAddKernel
{
    private sealed record Call(bool Gated);

    /// <summary>
    /// x [..., D] float32 and y of the same sizes, float32 or bfloat16, on the CPU; the gate has the sizes of x up to
    /// some dimension and ones after it, but for the last, which is D, or is missing (1). The result is float32. Two
    /// float32 tensors without a gate are left to libtorch, whose sum needs one pass as well.
    /// </summary>
    /// <exception cref="ArgumentException">Sizes that do not fit, another device or type.</exception>
    public static Tensor Forward(Tensor x, Tensor y, Tensor? gate)
    {
        Backwards.Release();
        Graph.Check(x);
        Graph.Check(y);
        if (x.dtype != ScalarType.Float32 || !x.shape.SequenceEqual(y.shape))
        {
            throw new ArgumentException(
                $"a stream [{Graph.Sizes(x)}] of {x.dtype} takes no [{Graph.Sizes(y)}]; "
                    + "it is float32, with the sizes of y"
            );
        }
        var cut = Cut(x, gate);
        using var scope = NewDisposeScope();
        if (gate is null && y.dtype == ScalarType.Float32)
            return (x + y).MoveToOuterDisposeScope();
        var z = Graph.Records(x, y, gate)
            ? Function.apply(x, y, gate!, new Call(gate is not null && gate.requires_grad))
            : Run(x.contiguous(), y.contiguous(), gate, cut);
        return z.MoveToOuterDisposeScope();
    }

    private static Stretches Cut(Tensor x, Tensor? gate) => new(x.shape, gate is null ? [x.size(-1)] : gate.shape);

    private static Tensor Run(Tensor x, Tensor y, Tensor? gate, Stretches cut)
    {
        var z = empty(x.shape, ScalarType.Float32);
        var rows = gate is null ? default : new RowMemory(gate);
        Dispatch.Run(new ForwardTasks(cut, x, y, rows, z), y.dtype, ScalarType.Float32, cut.Tasks, cut.Elements);
        GC.KeepAlive(x);
        GC.KeepAlive(y);
        rows.KeepAlive();
        return z;
    }

    private sealed class Function : SingleTensorFunction<Function>
    {
        public override string Name => "GatedAdd";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, y, gate) = (((Tensor)vars[0]).contiguous(), ((Tensor)vars[1]).contiguous(), (Tensor?)vars[2]);
            ctx.set_materialize_grads(false);
            ctx.save_for_backward([((Call)vars[3]).Gated ? y : null!, gate!]);
            ctx.save_data("type", y.dtype);
            ctx.save_data(nameof(Call), vars[3]);
            return Run(x, y, gate, Cut(x, gate));
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) =>
            Graph.Backward(ctx, grad_output, 4, (gradient, saved) =>
            {
                var (g, type) = (gradient.to(ScalarType.Float32).contiguous(), (ScalarType)ctx.get_data("type"));
                var (y, gate, call) = (saved[0], saved[1], (Call)ctx.get_data(nameof(Call)));
                if (gate is null)
                    return [gradient.alias(), g.to(type), null, null];
                var (cut, rows, dy) = (Cut(g, gate), new RowMemory(gate), empty(g.shape, type));
                var sums = call.Gated ? cut.Sums() : null;
                Dispatch.Run(
                    new BackwardTasks(cut, g, y, rows, dy, sums),
                    ScalarType.Float32,
                    type,
                    cut.Tasks,
                    cut.Elements
                );
                GC.KeepAlive(g);
                rows.KeepAlive();
                return [gradient.alias(), dy, sums is null ? null : cut.Total(sums, gate.shape, gate.dtype), null];
            });
    }

    // z = x + y gate; TIn is the type of y.
    private readonly unsafe struct ForwardTasks(Stretches cut, Tensor x, Tensor y, RowMemory gate, Tensor z) : ITasks
    {
        private readonly float* x = (float*)TensorMemory.Pointer(x);
        private readonly byte* y = TensorMemory.Pointer(y);
        private readonly float* z = (float*)TensorMemory.Pointer(z);
        private readonly float* gate = gate.First;
        private readonly long step = gate.Step;

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
                var (at, count) = (from * cut.Width, (to - from) * cut.Width);
                var body = count - count % TFloats.Width;
                if (gate == null)
                {
                    Add<TFloats, TIn>((TIn*)y + at, at, 0, body);
                    Add<Float1, TIn>((TIn*)y + at, at, body, count);
                    continue;
                }
                body = cut.Width - cut.Width % TFloats.Width;
                for (var n = from; n < to; n++)
                {
                    Gated<TFloats, TIn>((TIn*)y + n * cut.Width, n * cut.Width, gate + row * step, 0, body);
                    Gated<Float1, TIn>((TIn*)y + n * cut.Width, n * cut.Width, gate + row * step, body, cut.Width);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Add<TFloats, TIn>(TIn* y, long at, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
                TFloats.Store(z + at + i, TFloats.Load(x + at + i) + TFloats.Load(y + i));
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Gated<TFloats, TIn>(TIn* y, long at, float* row, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
        {
            for (var i = first; i < last; i += TFloats.Width)
            {
                var sum = TFloats.Fma(TFloats.Load(y + i), TFloats.Load(row + i), TFloats.Load(x + at + i));
                TFloats.Store(z + at + i, sum);
            }
        }
    }

    // dy = g gate, and the sum of g y over the tokens of a row; TOut is the type of y and dy.
    private readonly unsafe struct BackwardTasks(
        Stretches cut,
        Tensor g,
        Tensor? y,
        RowMemory gate,
        Tensor dy,
        Tensor? dgate
    ) : ITasks
    {
        private const int Block = 8; // tokens whose row sums are gathered at once
        private readonly float* g = (float*)TensorMemory.Pointer(g);
        private readonly byte* y = y is null ? null : TensorMemory.Pointer(y);
        private readonly byte* dy = TensorMemory.Pointer(dy);
        private readonly float* dgate = dgate is null ? null : (float*)TensorMemory.Pointer(dgate);
        private readonly float* gate = gate.First;
        private readonly long step = gate.Step;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var (first, last) = cut.Task(task);
            var d = cut.Width;
            var body = d - d % TFloats.Width;
            for (var piece = first; piece < last; piece++)
            {
                var (row, from, to) = cut.Piece(piece);
                var sums = dgate == null ? null : dgate + piece * d;
                if (sums != null)
                    new Span<float>(sums, (int)d).Clear();
                for (var n = from; n < to; n += Block)
                {
                    var count = (int)Math.Min(Block, to - n);
                    Columns<TFloats, TOut>(n * d, count, gate + row * step, sums, 0, body);
                    Columns<Float1, TOut>(n * d, count, gate + row * step, sums, body, d);
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Columns<TFloats, TOut>(long at, int count, float* row, float* sums, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
            where TOut : unmanaged
        {
            var d = cut.Width;
            for (var i = first; i < last; i += TFloats.Width)
            {
                var factor = TFloats.Load(row + i);
                var sum = sums == null ? TFloats.All(0) : TFloats.Load(sums + i);
                for (var n = at + i; n < at + i + count * d; n += d)
                {
                    var slope = TFloats.Load(g + n);
                    TFloats.Store((TOut*)dy + n, slope * factor);
                    if (sums != null)
                        sum = TFloats.Fma(slope, TFloats.Load((TOut*)y + n), sum);
                }
                if (sums != null)
                    TFloats.Store(sums + i, sum);
            }
        }
    }
}
