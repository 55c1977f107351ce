namespace LongTake.Tensors;

/// <summary>
/// Whether a libtorch computes what it should: a matrix product, a convolution and their gradients, against sums
/// written out.
/// </summary>
internal static class SelfTest
{
    /// <summary>What failed; null when nothing did.</summary>
    public static string? Failure()
    {
        try
        {
            using var scope = torch.NewDisposeScope();
            return !Product() ? "a matrix product or its gradient is wrong"
                : !Convolution() ? "a convolution or its gradient is wrong"
                : null;
        }
        catch (Exception e)
            when (e
                    is System.Runtime.InteropServices.ExternalException
                        or EntryPointNotFoundException
                        or ArgumentException
            )
        {
            return e.Message.Split('\n')[0];
        }
    }

    // Of a 2 x 3 matrix by a 3 x 2 one; the gradient of the sum of the product is each row's sum of the second.
    private static bool Product()
    {
        using var first = torch.arange(6, dtype: torch.float32).reshape(2, 3).requires_grad_(true);
        var second = torch.arange(6, dtype: torch.float32).reshape(3, 2);
        var product = first.matmul(second);
        product.sum().backward();
        return Equal(product, [10, 13, 28, 40]) && Equal(first.grad!, [1, 5, 9, 1, 5, 9]);
    }

    // A window of ones over 3 x 3 numbers; each number's gradient is the count of windows that see it.
    private static bool Convolution()
    {
        using var image = torch.arange(9, dtype: torch.float32).reshape(1, 1, 3, 3).requires_grad_(true);
        var sums = torch.nn.functional.conv2d(image, torch.ones([1, 1, 2, 2]));
        sums.sum().backward();
        return Equal(sums, [8, 12, 20, 24]) && Equal(image.grad!, [1, 2, 1, 2, 4, 2, 1, 2, 1]);
    }

    private static bool Equal(Tensor found, float[] expected) =>
        found.detach().flatten().data<float>().ToArray().AsSpan().SequenceEqual(expected);
}
