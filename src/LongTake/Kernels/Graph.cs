using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace LongTake.Kernels;

/// <summary>
/// What the kernels have in common as nodes of a graph.
/// </summary>
internal static class Graph
{
    /// <summary>Whether a call with these inputs needs a place in the graph.</summary>
    public static bool Records(params ReadOnlySpan<Tensor?> inputs)
    {
        if (!is_grad_enabled())
            return false;
        foreach (var input in inputs)
            if (input is not null && input.requires_grad)
                return true;
        return false;
    }

    /// <summary>
    /// The body of a backward: <paramref name="gradients"/> makes the gradients from that of the result and the saved
    /// tensors, null for what wants none. No gradient comes out where none goes in.
    /// </summary>
    public static List<Tensor> Backward(
        AutogradContext ctx,
        Tensor gradient,
        int inputs,
        Func<Tensor, List<Tensor>, Tensor?[]> gradients
    ) => Backwards.Guard(gradient, ctx, inputs, saved => [.. gradients(gradient, saved)])!;

    /// <summary>Sizes of a tensor for a message.</summary>
    public static string Sizes(Tensor t) => string.Join(", ", t.shape);

    /// <summary>Fails for a tensor that the kernels do not read.</summary>
    /// <exception cref="ArgumentException">Not on the CPU, or not float32 or bfloat16.</exception>
    public static void Check(Tensor x)
    {
        if (x.device_type != DeviceType.CPU)
            throw new ArgumentException($"this kernel is for the CPU, the tensor is on {x.device}");
        if (x.dtype is not (ScalarType.Float32 or ScalarType.BFloat16))
            throw new ArgumentException($"this kernel is for float32 and bfloat16, not {x.dtype}");
    }
}
