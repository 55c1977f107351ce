using LongTake.Kernels;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

/// <summary>A kernel against the same formula of libtorch's operators in float64: values and every gradient.</summary>
internal static class Compare
{
    /// <summary>All vector widths this machine runs.</summary>
    public static IEnumerable<Simd> Widths => [Simd.Scalar, Simd.V256, Simd.V512];

    /// <summary>A random tensor; the same for the same seed.</summary>
    public static Tensor Random(int seed, params long[] shape)
    {
        using var generator = new torch.Generator((ulong)((ulong)seed));
        return randn(shape, dtype: ScalarType.Float32, generator: generator);
    }

    /// <summary>Runs with a vector width and puts the usual one back.</summary>
    public static void With(Simd width, Action body)
    {
        var before = SimdLevel.Current;
        SimdLevel.Current = width;
        try
        {
            body();
        }
        finally
        {
            SimdLevel.Current = before;
        }
    }

    /// <summary>Result and gradients of leaves made of the inputs, pulled by a random gradient.</summary>
    public static (Tensor Out, Tensor?[] Gradients) Run(Func<Tensor[], Tensor> f, IEnumerable<Tensor> inputs)
    {
        Tensor[] leaves = [.. inputs.Select(t => t.detach().clone().requires_grad_())];
        var y = f(leaves);
        y.backward([Random(5, y.shape).to(ScalarType.BFloat16).to(y.dtype)]);
        return (y.detach(), [.. leaves.Select(l => l.grad)]);
    }

    /// <summary>
    /// Same values and gradients for all widths. What is rounded to bfloat16 at the end may be half a unit off; sums
    /// are held to the size of what is summed.
    /// </summary>
    public static void Same(Func<Tensor[], Tensor> kernel, Func<Tensor[], Tensor> exact, params Tensor[] inputs)
    {
        using var scope = NewDisposeScope();
        var expected = Run(exact, inputs.Select(t => t.to(ScalarType.Float64)));
        foreach (var width in Widths)
        {
            With(width, () =>
            {
                var actual = Run(kernel, inputs);
                Near(expected.Out, actual.Out, $"{width}, value");
                for (var i = 0; i < inputs.Length; i++)
                {
                    Assert.Equal(inputs[i].dtype, actual.Gradients[i]!.dtype);
                    Near(expected.Gradients[i]!, actual.Gradients[i]!, $"{width}, gradient {i}");
                }
                using var off = no_grad();
                Assert.True(
                    kernel(inputs).equal(actual.Out).all().ToBoolean(),
                    $"{width}: without a graph the values differ"
                );
            });
        }
    }

    /// <summary>
    /// Relative to the largest number: 3e-6 for float32, half a unit in the last place and a little for bfloat16.
    /// </summary>
    public static void Near(Tensor expected, Tensor actual, string what)
    {
        Assert.Equal(expected.shape, actual.shape);
        var (e, a) = (expected.to(ScalarType.Float64), actual.to(ScalarType.Float64));
        var largest = Math.Max(1, e.abs().max().ToDouble());
        var allowed =
            actual.dtype == ScalarType.BFloat16
                ? e.abs() * (1.02 / 256) + 1e-5 * largest
                : zeros_like(e) + 3e-6 * largest;
        var over = ((e - a).abs() - allowed).max().ToDouble();
        Assert.True(over <= 0, $"{what}: {over} too far (largest number {largest})");
    }
}
