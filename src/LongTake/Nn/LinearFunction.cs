namespace LongTake.Nn;

/// <summary>
/// x W^T + b as a node of autograd. libtorch sums a bias's gradient in bfloat16 by a slow loop, a seventh of the layer;
/// here it is a product with ones, summed in float32 inside. The gradients of weight and bias come in their own types,
/// so that a float32 master takes what bfloat16 products gave without another pass.
/// </summary>
internal sealed class LinearFunction : torch.autograd.SingleTensorFunction<LinearFunction>
{
    public override string Name => "Linear";

    /// <summary>x [.., inputs], weight [outputs, inputs], bias [outputs]; products in the type of x.</summary>
    public static Tensor Run(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = torch.NewDisposeScope();
        return apply(x, weight, bias).MoveToOuterDisposeScope();
    }

    public override Tensor forward(torch.autograd.AutogradContext context, params object[] values)
    {
        var (x, weight, bias) = ((Tensor)values[0], (Tensor)values[1], (Tensor)values[2]);
        context.set_materialize_grads(false);
        context.save_for_backward([x, weight]);
        context.save_data(
            "wanted",
            (x.requires_grad, weight.requires_grad, bias.requires_grad ? bias.dtype : (ScalarType?)null)
        );
        return torch.nn.functional.linear(x, weight.to(x.dtype), bias.to(x.dtype));
    }

    public override List<Tensor> backward(torch.autograd.AutogradContext context, Tensor gradient) =>
        Backwards.Guard(gradient, context, 3, saved =>
        {
            var (x, weight) = (saved[0], saved[1]);
            var (ofX, ofWeight, ofBias) = ((bool, bool, ScalarType?))context.get_data("wanted");
            var rows = gradient.reshape(-1, gradient.size(-1));
            var dx = ofX ? rows.matmul(weight.to(x.dtype)).reshape(x.shape) : null;
            var dw = ofWeight ? rows.t().matmul(x.reshape(-1, x.size(-1))).to(weight.dtype) : null;
            var db = ofBias is { } type
                ? torch.ones([1, rows.size(0)], rows.dtype).matmul(rows).squeeze(0).to(type)
                : null;
            return [dx, dw, db];
        })!;
}
