using System.Runtime.Intrinsics.X86;

namespace LongTake.Nn;

/// <summary>The type in which a CPU multiplies what is stored in bfloat16.</summary>
public enum ProductKind
{
    /// <summary>As it is stored, summed in float32.</summary>
    BFloat16,

    /// <summary>In float32 copies.</summary>
    Float32,
}

/// <summary>
/// Matrix products of linear layers. What is stored in bfloat16 is multiplied in the type that the processor multiplies
/// faster: bfloat16 on an Intel with AMX and on an AMD with AVX512-BF16, else float32. The rule reads the processor's
/// features and measures nothing, so that a machine always gives the same numbers. LONGTAKE_PRODUCTS=float32 or
/// bfloat16 in the environment decides otherwise.
/// </summary>
public static class Products
{
    /// <summary>How products of bfloat16 on the CPU are computed.</summary>
    public static ProductKind Kind { get; set; } = Chosen(Environment.GetEnvironmentVariable("LONGTAKE_PRODUCTS"));

    /// <summary>
    /// x W^T + b of tokens x [.., inputs], in the type of x; weight [outputs, inputs] and bias are of any floating
    /// type.
    /// </summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias)
    {
        var type = Type(x.dtype, x.device);
        if (
            type == ScalarType.BFloat16
            && x.dtype == type
            && x.device_type == DeviceType.CPU
            && bias is not null
            && torch.is_grad_enabled()
            && (x.requires_grad || weight.requires_grad || bias.requires_grad)
        )
            return LinearFunction.Run(x, weight, bias);
        var y = torch.nn.functional.linear(x.to(type), weight.to(type), bias?.to(type));
        return y.to(x.dtype);
    }

    /// <summary>
    /// A layer of its own for each place of tokens x [.., places, inputs]: weight [places, outputs, inputs] and bias
    /// [places, outputs] of any floating type; in the type of x.
    /// </summary>
    public static Tensor PerPlace(Tensor x, Tensor weight, Tensor bias)
    {
        var type = Type(x.dtype, x.device);
        var (places, outputs, inputs) = weight;
        var rows = x.to(type).reshape(-1, places, inputs).transpose(0, 1);
        var y = (rows.matmul(weight.to(type).transpose(1, 2)) + bias.to(type).unsqueeze(1)).transpose(0, 1);
        return y.reshape([.. x.shape[..^1], outputs]).to(x.dtype);
    }

    /// <summary>
    /// The type in which products of what is stored as <paramref name="dtype"/> are computed on a device.
    /// </summary>
    public static ScalarType Type(ScalarType dtype, torch.Device device) =>
        dtype == ScalarType.BFloat16 && Kind != ProductKind.BFloat16 && device.type == DeviceType.CPU
            ? ScalarType.Float32
            : dtype;

    /// <summary>A kind as LONGTAKE_PRODUCTS names it.</summary>
    public static string Name(ProductKind kind) => kind.ToString().ToLowerInvariant();

    private static ProductKind Chosen(string? wanted)
    {
        if (string.IsNullOrEmpty(wanted))
            return FastBFloat16() ? ProductKind.BFloat16 : ProductKind.Float32;
        foreach (var kind in Enum.GetValues<ProductKind>())
            if (Name(kind) == wanted)
                return kind;
        throw new UserException(
            $"LONGTAKE_PRODUCTS={wanted}: {string.Join(", ", Enum.GetValues<ProductKind>().Select(Name))} or nothing",
            usage: true
        );
    }

    private static bool FastBFloat16()
    {
        if (!X86Base.IsSupported)
            return false;
        var (leaves, b, c, d) = X86Base.CpuId(0, 0);
        if (leaves < 7)
            return false;
        var amx = (X86Base.CpuId(7, 0).Edx >> 22 & 1) != 0;
        var amd = (b, d, c) == (0x68747541, 0x69746e65, 0x444d4163); // Auth enti cAMD
        return amx || (amd && (X86Base.CpuId(7, 1).Eax >> 5 & 1) != 0);
    }
}
