using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LongTake.Kernels;

/// <summary>
/// Layer norm with modulation in one pass over memory: y = (x - mean) / sqrt(variance + eps) (offset + scale) + shift
/// over the last dimension of x, float32 inside. One derivative, no second.
/// </summary>
internal static class LayerNormKernel
{
    private sealed record Call(double Offset, double Eps, ScalarType To, bool Scaled);

    /// <summary>
    /// x [..., D] on the CPU, float32 or bfloat16; scale and shift have the sizes of x up to some dimension and ones
    /// after it, but for the last, which is D. The result has the sizes of x and the type <paramref name="to"/>.
    /// </summary>
    /// <exception cref="ArgumentException">Sizes that do not fit, another device or type.</exception>
    public static Tensor Forward(Tensor x, Tensor scale, Tensor shift, double offset, double eps, ScalarType to)
    {
        Backwards.Release();
        Graph.Check(x);
        if (to is not (ScalarType.Float32 or ScalarType.BFloat16))
            throw new ArgumentException($"this kernel gives float32 or bfloat16, not {to}");
        var cut = new Stretches(x.shape, scale.shape);
        if (!scale.shape.SequenceEqual(shift.shape))
            throw new ArgumentException($"scale [{Graph.Sizes(scale)}] and shift [{Graph.Sizes(shift)}] differ");
        using var scope = NewDisposeScope();
        var call = new Call(offset, eps, to, scale.requires_grad || shift.requires_grad);
        var y = Graph.Records(x, scale, shift)
            ? Function.apply(x, scale, shift, call)
            : Run(x.contiguous(), scale, shift, cut, call, null);
        return y.MoveToOuterDisposeScope();
    }

    private static Tensor Run(Tensor x, Tensor scale, Tensor shift, Stretches cut, Call call, Tensor? stats)
    {
        var y = empty(x.shape, call.To);
        var (a, b) = (new RowMemory(scale), new RowMemory(shift));
        Dispatch.Run(
            new LayerNormForward(cut, x, a, b, y, stats, call.Offset, call.Eps),
            x.dtype,
            call.To,
            cut.Tasks,
            cut.Elements
        );
        GC.KeepAlive(x);
        a.KeepAlive();
        b.KeepAlive();
        GC.KeepAlive(stats);
        return y;
    }

    private sealed class Function : SingleTensorFunction<Function>
    {
        public override string Name => "LayerNorm";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, scale, shift, call) = (
                ((Tensor)vars[0]).contiguous(),
                (Tensor)vars[1],
                (Tensor)vars[2],
                (Call)vars[3]
            );
            var cut = new Stretches(x.shape, scale.shape);
            var stats = empty([cut.Tokens, 2], ScalarType.Float32);
            ctx.set_materialize_grads(false);
            ctx.save_for_backward([x, scale, shift, stats]);
            ctx.save_data(nameof(Call), call);
            return Run(x, scale, shift, cut, call, stats);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) =>
            Graph.Backward(ctx, grad_output, 4, (gradient, saved) =>
            {
                var (x, scale, shift, stats, call) = (
                    saved[0],
                    saved[1],
                    saved[2],
                    saved[3],
                    (Call)ctx.get_data(nameof(Call))
                );
                var g = gradient.contiguous();
                var cut = new Stretches(x.shape, scale.shape);
                var (dx, rows) = (empty_like(x), new RowMemory(scale));
                var sums = call.Scaled ? (cut.Sums(), cut.Sums()) : ((Tensor, Tensor)?)null;
                var loop = new LayerNormBackward(cut, x, rows, stats, g, dx, sums?.Item1, sums?.Item2, call.Offset);
                Dispatch.Run(loop, x.dtype, g.dtype, cut.Tasks, cut.Elements);
                GC.KeepAlive(g);
                GC.KeepAlive(stats);
                rows.KeepAlive();
                if (sums is not var (dscale, dshift))
                    return [dx, null, null, null];
                return
                [
                    dx,
                    cut.Total(dscale, scale.shape, scale.dtype),
                    cut.Total(dshift, shift.shape, shift.dtype),
                    null,
                ];
            });
    }
}
