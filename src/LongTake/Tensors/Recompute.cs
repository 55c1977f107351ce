namespace LongTake.Tensors;

/// <summary>Activation checkpointing: memory of one block instead of all, for one more forward in backward.</summary>
public static class Recompute
{
    /// <summary>
    /// Runs <paramref name="forward"/> without a graph; backward runs it again with one. Parameters that the function
    /// uses get their gradients straight into <c>grad</c>. The function must be deterministic. Where gradients are off,
    /// or no input wants one, it just runs.
    /// </summary>
    /// <exception cref="InvalidOperationException">Gradients are on, but no input requires one, so that backward would
    /// never come here.</exception>
    public static Tensor Run(Func<Tensor[], Tensor> forward, params Tensor[] inputs)
    {
        if (!torch.is_grad_enabled())
            return forward(inputs);
        if (!inputs.Any(x => x.requires_grad))
            throw new InvalidOperationException(
                "recompute: no input requires a gradient, so parameters inside would silently get none"
            );
        return Function.apply([forward, .. inputs]);
    }

    private sealed class Function : torch.autograd.SingleTensorFunction<Function>
    {
        public override string Name => "Recompute";

        public override Tensor forward(torch.autograd.AutogradContext context, params object[] values)
        {
            var inputs = values[1..].Cast<Tensor>().ToArray();
            context.save_data("forward", values[0]);
            context.save_data("arguments", values.Length);
            context.save_for_backward([.. inputs]);
            context.set_materialize_grads(false);
            using var scope = torch.NewDisposeScope();
            var result = ((Func<Tensor[], Tensor>)values[0])(inputs);
            // A result that is an input is handed on as a tensor of its own, for autograd marks results.
            return (
                inputs.Contains(result, ReferenceEqualityComparer.Instance) ? result.alias() : result
            ).MoveToOuterDisposeScope();
        }

        public override List<Tensor?> backward(torch.autograd.AutogradContext context, Tensor gradient) =>
            Backwards.Guard(gradient, context, (int)context.get_data("arguments"), saved =>
            {
                var inputs = saved.Select(x => x.detach().requires_grad_(x.requires_grad)).ToArray();
                using (torch.enable_grad())
                {
                    using var result = ((Func<Tensor[], Tensor>)context.get_data("forward"))(inputs);
                    torch.autograd.backward([result], [gradient]);
                }
                return [null, .. inputs.Select(x => x.grad)];
            });
    }
}
