namespace LongTake.Torch;

/// <summary>
/// Matrix products of a linear layer. Where the processor multiplies float32 at the higher rate (no AMX, and no AMD with AVX512-BF16) those of bfloat16
/// are computed in float32: of tokens in float32 copies of a stretch at a time (native/linear.cpp), so that memory holds bfloat16 all the same.
/// LONGTAKE_PRODUCTS=float32 or bfloat16 in the environment decides otherwise.
/// </summary>
public static class Products
{
    private static readonly Op linear = new("longtake::linear(x, weight, bias)");
    private static readonly Op floatProducts = new("longtake::float_products()");

    /// <summary>Whether products of bfloat16 on the CPU are computed in float32.</summary>
    public static bool InFloat { get; set; } = Environment.GetEnvironmentVariable("LONGTAKE_PRODUCTS") switch
    {
        "float32" => true,
        "bfloat16" => false,
        null or "" => floatProducts.Number() != 0,
        var other => throw new UserException($"LONGTAKE_PRODUCTS={other}: float32, bfloat16 or nothing", usage: true),
    };

    /// <summary>x W^T + b of tokens x [.., inputs], in the type of x; weight [outputs, inputs] and bias are of any type. No second derivative of products in float32 on a CPU.</summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias) =>
        Type(x.Dtype, x.Device) == Dtype.F32 && x.Device == "cpu" ? linear.One(x, weight, bias) : Ops.Linear(x, weight.To(x.Dtype), bias?.To(x.Dtype));

    /// <summary>The type in which products of that type are computed on a device.</summary>
    public static Dtype Type(Dtype dtype, string device) => dtype == Dtype.BF16 && InFloat && device == "cpu" ? Dtype.F32 : dtype;
}
