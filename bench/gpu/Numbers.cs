using System.Text;

namespace LongTake.Bench.Gpu;

/// <summary>
/// Weights and inputs made from a name and an index by whole arithmetic, so that a program in another language makes
/// the same ones (peer.py): a hash, spread evenly.
/// </summary>
internal static class Numbers
{
    private const long Mask = 0xffffffff;

    /// <summary>Even numbers of a std around a mean.</summary>
    public static Tensor Of(
        string name,
        long[] shape,
        double std,
        string device,
        double mean = 0,
        ScalarType type = ScalarType.Float32
    )
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var seed = 2166136261;
        foreach (var b in Encoding.UTF8.GetBytes(name))
            seed = unchecked((seed ^ b) * 16777619);
        var h = torch
            .arange(shape.Aggregate(1L, (a, b) => a * b), ScalarType.Int64, torch.device(device))
            .mul_(0x9E3779B1L)
            .add_((long)seed)
            .bitwise_and_(Mask);
        h = Mixed(Mixed(h, 16).mul_(0x85EBCA6BL).bitwise_and_(Mask), 13).mul_(0xC2B2AE35L).bitwise_and_(Mask);
        var value = Mixed(h, 16)
            .to(ScalarType.Float64)
            .add_(0.5)
            .div_(4294967296.0)
            .sub_(0.5)
            .mul_(std * Math.Sqrt(12))
            .add_(mean);
        return value.to(type).reshape(shape).MoveToOuterDisposeScope();
    }

    /// <summary>Overwrites all weights, each by its name and kind.</summary>
    public static void Fill(Weights weights, string prefix, string device)
    {
        using var off = torch.no_grad();
        foreach (var (name, tensor) in weights.All)
        {
            var (shape, std, mean) = (tensor.shape, 0.02, 0.0);
            if (name.Contains("norm", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal))
                mean = 1;
            else if (name.EndsWith("modulation", StringComparison.Ordinal))
                std = 1 / Math.Sqrt(shape[^1]);
            else if (shape.Length > 1)
                std = 1 / Math.Sqrt(shape.Skip(1).Aggregate(1L, (a, b) => a * b));
            using var made = Of(prefix + name, shape, std, device, mean, tensor.dtype);
            tensor.copy_(made);
        }
    }

    // The shifts are of numbers that are not negative. (TorchSharp makes the integers into tensors, which the
    // scope frees.)
    private static Tensor Mixed(Tensor h, long by) => h.bitwise_xor(h.bitwise_right_shift(by));
}
