namespace LongTake.Tensors;

/// <summary>
/// An argument of an <see cref="Operator"/>, made from its value. One that the operator's schema marks optional
/// ("float? eps") goes through <see cref="Optional"/>, present or not. (A plain number of any type, "Scalar" in a
/// schema, cannot be passed: libtorch 2.10 does not take it.)
/// </summary>
public readonly struct Argument
{
    private Argument(object? value, ulong bits = 0, bool optional = false) =>
        (Value, Bits, IsOptional) = (value, bits, optional);

    internal object? Value { get; }

    internal ulong Bits { get; }

    internal bool IsOptional { get; }

    /// <summary>An optional argument that is left out.</summary>
    public static Argument None { get; } = new(null, optional: true);

    /// <summary>An optional argument that is given; a tensor that is null is left out.</summary>
    public static Argument Optional(Argument value) => new(value.Value, value.Bits, optional: true);

    /// <summary>A tensor; null only within <see cref="Optional"/>.</summary>
    public static implicit operator Argument(Tensor? value) => new(value);

    /// <summary>Several tensors.</summary>
    public static implicit operator Argument(Tensor[] value) => new(value);

    /// <summary>A list of integers.</summary>
    public static implicit operator Argument(long[] value) => new(value);

    /// <summary>Numbers.</summary>
    public static implicit operator Argument(double[] value) => new(value);

    /// <summary>An integer.</summary>
    public static implicit operator Argument(long value) => new(Plain, (ulong)value);

    /// <summary>A number.</summary>
    public static implicit operator Argument(double value) => new(Plain, BitConverter.DoubleToUInt64Bits(value));

    /// <summary>A choice.</summary>
    public static implicit operator Argument(bool value) => new(Plain, value ? 1UL : 0);

    /// <summary>The type of elements: TorchSharp counts them as libtorch does.</summary>
    public static implicit operator Argument(torch.ScalarType value) => new(Plain, (ulong)value);

    // A value that its bits alone say; no object is made for it.
    private static readonly object Plain = new();

    /// <summary>For a message: type, shape and device of tensors, else the value.</summary>
    public override string ToString() =>
        Value switch
        {
            Tensor t => Text(t),
            Tensor[] all => $"[{string.Join(", ", all.Take(4).Select(Text))}"
                + (all.Length > 4 ? $", ... {all.Length} in all]" : "]"),
            long[] all => $"[{string.Join(", ", all)}]",
            double[] all => $"[{string.Join(", ", all)}]",
            null => "none",
            _ => Bits > int.MaxValue && Bits < ulong.MaxValue - int.MaxValue
                ? $"{BitConverter.UInt64BitsToDouble(Bits)}"
                : $"{(long)Bits}",
        };

    private static string Text(Tensor t) =>
        $"{t.dtype}[{string.Join(", ", t.shape)}]{(t.device_type == DeviceType.CPU ? "" : $" on {t.device}")}";
}
