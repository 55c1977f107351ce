using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Attention as a node of autograd; see <see cref="AttentionKernel"/>. Gradients come without a graph of their own:
/// there is no second derivative.
/// </summary>
internal sealed class AttentionFunction : torch.autograd.SingleTensorFunction<AttentionFunction>
{
    public override string Name => nameof(AttentionFunction);

    /// <summary>Checked inputs, some of which want gradients.</summary>
    public static Tensor Run(Tensor q, Tensor k, Tensor v, Tensor? from, Tensor? until, AttentionKernel.Call call)
    {
        Backwards.Release();
        try
        {
            return apply(q, k, v, new Inputs(from, until, call));
        }
        finally
        {
            foreach (var tensor in call.Made)
                tensor.Dispose();
            call.Made.Clear();
        }
    }

    public override Tensor forward(torch.autograd.AutogradContext ctx, params object[] vars)
    {
        var (q, k, v, other) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2], (Inputs)vars[3]);
        using var parts = new AttentionParts(q, k, v, other.From, other.Until, other.Call);
        parts.Forward();
        var (value, sums) = (parts.Take(parts.Out!), parts.Take(parts.Saved!));
        other.Call.Made.Add(value);
        other.Call.Made.Add(sums);
        List<Tensor> saved = [q, k, v, value, sums];
        if (other.From is not null && other.Until is not null)
            saved.AddRange([other.From, other.Until]);
        ctx.save_for_backward(saved);
        ctx.save_data("call", other.Call);
        ctx.set_materialize_grads(false);
        return value;
    }

    public override List<Tensor> backward(torch.autograd.AutogradContext ctx, Tensor gradient) =>
        Backwards.Guard(gradient, ctx, 4, saved =>
        {
            var call = (AttentionKernel.Call)ctx.get_data("call");
            var (from, until) = saved.Count > 5 ? (saved[5], saved[6]) : (null, null);
            using var parts = new AttentionParts(saved[0], saved[1], saved[2], from, until, call);
            parts.Out = saved[3];
            parts.Saved = saved[4];
            var (q, k, v) = parts.Backward(gradient);
            return [q, k, v, null];
        })!;

    // Tensors that autograd does not see.
    private sealed record Inputs(Tensor? From, Tensor? Until, AttentionKernel.Call Call);
}
