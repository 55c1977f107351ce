using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LongTake.Kernels;

/// <summary>
/// Root-mean-square norm in one pass over memory: y = x weight / sqrt(mean(x^2) + eps) over the last dimension, float32
/// inside; then, with tables, rotary positions over adjacent pairs of each head. One derivative, no second.
/// </summary>
internal static class RmsNormKernel
{
    private sealed record Call(double Eps, bool Weighted);

    /// <summary>
    /// x [.., N, heads d] on the CPU, float32 or bfloat16, with weight [heads d]; the result is like x. cos and sin,
    /// both or neither, have N d/2 numbers (all heads alike) or N heads d/2, their last dimension d/2 and N before the
    /// heads.
    /// </summary>
    /// <exception cref="ArgumentException">Sizes that do not fit, another device or type.</exception>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? cos, Tensor? sin, double eps)
    {
        Backwards.Release();
        Graph.Check(x);
        var cut = new Stretches(x.shape, weight.shape);
        if (cut.Rows != 1)
            throw new ArgumentException($"a weight [{Graph.Sizes(weight)}] is not one row");
        using var scope = NewDisposeScope();
        var (c, s) = Plain(x, cos, sin);
        var call = new Call(eps, weight.requires_grad);
        var y = Graph.Records(x, weight)
            ? Function.apply(x, weight, c!, s!, call)
            : Run(x.contiguous(), weight, c, s, cut, call, null);
        return y.MoveToOuterDisposeScope();
    }

    private static (Tensor? Cos, Tensor? Sin) Plain(Tensor x, Tensor? cos, Tensor? sin)
    {
        if (cos is null && sin is null)
            return (null, null);
        if (cos is null || sin is null)
            throw new ArgumentException("a table of sines belongs to one of cosines");
        Turns.Check(x, cos, sin);
        return (cos.detach().to(ScalarType.Float32).contiguous(), sin.detach().to(ScalarType.Float32).contiguous());
    }

    private static Tensor Run(
        Tensor x,
        Tensor weight,
        Tensor? cos,
        Tensor? sin,
        Stretches cut,
        Call call,
        Tensor? stats
    )
    {
        var y = empty(x.shape, x.dtype);
        var rows = new RowMemory(weight);
        var loop = new RmsNormForward(cut, x, rows, new Turns(x, cos, sin), y, stats, call.Eps);
        Dispatch.Run(loop, x.dtype, x.dtype, cut.Tasks, cut.Elements);
        GC.KeepAlive(x);
        GC.KeepAlive(cos);
        GC.KeepAlive(sin);
        GC.KeepAlive(stats);
        rows.KeepAlive();
        return y;
    }

    private sealed class Function : SingleTensorFunction<Function>
    {
        public override string Name => "RmsNorm";

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, weight, cos, sin) = (
                ((Tensor)vars[0]).contiguous(),
                (Tensor)vars[1],
                (Tensor?)vars[2],
                (Tensor?)vars[3]
            );
            var (cut, call) = (new Stretches(x.shape, weight.shape), (Call)vars[4]);
            var stats = empty([cut.Tokens], ScalarType.Float32);
            ctx.set_materialize_grads(false);
            ctx.save_for_backward([x, weight, stats, cos!, sin!]);
            ctx.save_data(nameof(Call), call);
            return Run(x, weight, cos, sin, cut, call, stats);
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) =>
            Graph.Backward(ctx, grad_output, 5, (gradient, saved) =>
            {
                var (x, weight, stats, cos, sin) = (saved[0], saved[1], saved[2], (Tensor?)saved[3], (Tensor?)saved[4]);
                var call = (Call)ctx.get_data(nameof(Call));
                var g = gradient.to(x.dtype).contiguous();
                var (cut, rows, dx) = (new Stretches(x.shape, weight.shape), new RowMemory(weight), empty_like(x));
                var sums = call.Weighted ? cut.Sums() : null;
                var loop = new RmsNormBackward(cut, x, rows, new Turns(x, cos, sin), stats, g, dx, sums);
                Dispatch.Run(loop, x.dtype, x.dtype, cut.Tasks, cut.Elements);
                GC.KeepAlive(saved);
                GC.KeepAlive(g);
                rows.KeepAlive();
                return [dx, sums is null ? null : cut.Total(sums, weight.shape, weight.dtype), null, null, null];
            });
    }
}
