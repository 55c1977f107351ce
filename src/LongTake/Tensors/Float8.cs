namespace LongTake.Tensors;

/// <summary>
/// Floating point of 8 bits in files. Every value of it is one of bfloat16's, in which it is computed with.
/// </summary>
internal static unsafe class Float8
{
    // Bits in bfloat16 of each of the 256 values.
    private static readonly Dictionary<string, ushort[]> tables = new()
    {
        ["F8_E4M3"] = Table(exponentBits: 4, (exponent, fraction) =>
            exponent == 15 && fraction == 7 ? float.NaN : (float?)null
        ),
        ["F8_E5M2"] = Table(exponentBits: 5, (exponent, fraction) => exponent != 31 ? null
            : fraction == 0 ? float.PositiveInfinity
            : float.NaN),
    };

    /// <summary>Whether safetensors' name of an element type is one of these.</summary>
    public static bool Is(string dtype) => tables.ContainsKey(dtype);

    /// <summary>The values at an address as bfloat16.</summary>
    public static Tensor Read(string dtype, byte* from, long[] shape)
    {
        var table = tables[dtype];
        var made = torch.empty(shape, ScalarType.BFloat16);
        var to = (ushort*)TensorMemory.Pointer(made);
        var count = made.numel();
        for (var i = 0L; i < count; i++)
            to[i] = table[from[i]];
        return made;
    }

    private static ushort[] Table(int exponentBits, Func<int, int, float?> special)
    {
        var (fractionBits, bias) = (7 - exponentBits, (1 << (exponentBits - 1)) - 1);
        return
        [
            .. Enumerable
                .Range(0, 256)
                .Select(b =>
                {
                    var (exponent, fraction) = ((b & 127) >> fractionBits, b & ((1 << fractionBits) - 1));
                    var size = special(exponent, fraction)
                        ?? MathF.ScaleB(
                            fraction + (exponent > 0 ? 1 << fractionBits : 0),
                            Math.Max(exponent, 1) - bias - fractionBits
                        );
                    return (ushort)(BitConverter.SingleToUInt32Bits(b < 128 ? size : -size) >> 16);
                }),
        ];
    }
}
