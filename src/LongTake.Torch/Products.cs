namespace LongTake.Torch;

/// <summary>How linear layers of bfloat16 tokens are multiplied on a CPU.</summary>
public enum ProductKind
{
    /// <summary>As libtorch does: bfloat16, summed in float32.</summary>
    BFloat16,
    /// <summary>In float32 copies of a stretch at a time.</summary>
    Float32,
    /// <summary>
    /// As whole numbers of 16 bits with a scale for each row of tokens and each column of the weight (block floating point, arXiv 1804.01526), summed exactly: of sums of 192,
    /// numbers keep to 1/6,688 of the largest of their row.
    /// </summary>
    Int16,
}

/// <summary>
/// Matrix products of a linear layer. What is stored in bfloat16 is multiplied in what the processor multiplies fastest (native/linear.cpp): with AMX, and on an AMD
/// with AVX512-BF16, as it is; else as whole numbers where there are AVX512-VNNI and AVX512-BF16, or in float32. Memory holds bfloat16 all the same.
/// LONGTAKE_PRODUCTS=int16, float32 or bfloat16 in the environment decides otherwise.
/// </summary>
public static class Products
{
    private static readonly Op linear = new("longtake::linear(x, weight, bias, int16)");
    private static readonly Op fastest = new("longtake::products()");

    /// <summary>How products of bfloat16 on the CPU are computed unless a caller says it.</summary>
    public static ProductKind Kind { get; set; } = Chosen(Environment.GetEnvironmentVariable("LONGTAKE_PRODUCTS"));

    /// <summary>
    /// x W^T + b of tokens x [.., inputs], in the type of x; weight [outputs, inputs] and bias are of any type. With a weight [places, outputs, inputs] and as many biases each
    /// place of tokens [.., places, inputs] has a layer of its own. No second derivative but of products by libtorch.
    /// </summary>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias, ProductKind? kind = null)
    {
        var how = kind ?? Kind;
        if (x.Device == "cpu" && (x.Dtype == Dtype.F32 || (x.Dtype == Dtype.BF16 && how != ProductKind.BFloat16))) return linear.One(x, weight, bias, how == ProductKind.Int16);
        var (w, b) = (weight.To(x.Dtype), bias?.To(x.Dtype));
        if (weight.Rank == 2) return Ops.Linear(x, w, b);
        var rows = x.Reshape(-1, x.Size(-2), x.Size(-1)).Transpose(0, 1);
        var y = Ops.MatMul(rows, w.Transpose(1, 2)).Transpose(0, 1);
        return (b is null ? y : y + b.Reshape(w.Size(0), w.Size(1))).Reshape([.. x.Shape[..^1], w.Size(1)]);
    }

    /// <summary>The type in which other products of that type are computed on a device.</summary>
    public static Dtype Type(Dtype dtype, string device) => dtype == Dtype.BF16 && Kind != ProductKind.BFloat16 && device == "cpu" ? Dtype.F32 : dtype;

    /// <summary>A kind as LONGTAKE_PRODUCTS names it.</summary>
    public static string Name(ProductKind kind) => kind.ToString().ToLowerInvariant();

    private static ProductKind Chosen(string? told)
    {
        if (string.IsNullOrEmpty(told)) return (ProductKind)fastest.Number();
        foreach (var kind in Enum.GetValues<ProductKind>())
            if (Name(kind) == told) return kind;
        throw new UserException($"LONGTAKE_PRODUCTS={told}: {string.Join(", ", Enum.GetValues<ProductKind>().Select(Name))} or nothing", usage: true);
    }
}
