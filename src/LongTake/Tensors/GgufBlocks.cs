using System.Buffers.Binary;

namespace LongTake.Tensors;

/// <summary>One way in which GGUF keeps numbers: so many elements in a block of so many bytes.</summary>
internal sealed unsafe record GgufForm(
    string Name,
    int Elements,
    int Bytes,
    ScalarType Dtype,
    GgufForm.Unpack? Block = null
)
{
    /// <summary>Makes the numbers of one block.</summary>
    public delegate void Unpack(ReadOnlySpan<byte> block, Span<float> numbers);

    /// <summary>Whether numbers are computed from blocks; others are as they lie.</summary>
    public bool Quantised => Block is not null;

    /// <summary>A tensor of the numbers at an address.</summary>
    public Tensor Read(byte* at, long[] shape)
    {
        if (Block is null)
            return Tensor.FromPointer(at, Dtype, shape);
        var made = torch.empty(shape, ScalarType.Float32);
        var to = (float*)TensorMemory.Pointer(made);
        var blocks = made.numel() / Elements;
        for (var i = 0L; i < blocks; i++)
            Block(new(at + i * Bytes, Bytes), new(to + i * Elements, Elements));
        return made;
    }
}

/// <summary>
/// Blocks of GGUF: numbers of 4 to 8 bits with scales (and offsets) in float16, exact in float32. Source of the forms:
/// ggml's quants.
/// </summary>
internal static class GgufBlocks
{
    private static readonly Dictionary<uint, GgufForm> forms = new()
    {
        [0] = new("F32", 1, 4, ScalarType.Float32),
        [1] = new("F16", 1, 2, ScalarType.Float16),
        [2] = new("Q4_0", 32, 18, ScalarType.Float32, Q4),
        [3] = new("Q4_1", 32, 20, ScalarType.Float32, Q4),
        [6] = new("Q5_0", 32, 22, ScalarType.Float32, Q5),
        [7] = new("Q5_1", 32, 24, ScalarType.Float32, Q5),
        [8] = new("Q8_0", 32, 34, ScalarType.Float32, Q8),
        [12] = new("Q4_K", 256, 144, ScalarType.Float32, K4),
        [13] = new("Q5_K", 256, 176, ScalarType.Float32, K5),
        [14] = new("Q6_K", 256, 210, ScalarType.Float32, K6),
        [30] = new("BF16", 1, 2, ScalarType.BFloat16),
    };

    private static readonly string[] others =
        "Q8_1,Q2_K,Q3_K,,,,Q8_K,IQ2_XXS,IQ2_XS,IQ3_XXS,IQ1_S,IQ4_NL,IQ3_S,IQ2_S,IQ4_XS,I8,I16,I32,I64,F64,IQ1_M".Split(
            ','
        );

    /// <summary>The forms that are read.</summary>
    public static IEnumerable<string> Known => forms.Values.Select(f => f.Name);

    /// <summary>A form by its number in the file; null for those that are not read.</summary>
    public static GgufForm? Of(uint type) => forms.GetValueOrDefault(type);

    /// <summary>What a form that is not read is called.</summary>
    public static string Name(uint type) =>
        type is >= 9 and <= 29 or 9 && others[type - 9] is { Length: > 0 } name ? name : $"type {type}";

    private static float Half(ReadOnlySpan<byte> at) => (float)BinaryPrimitives.ReadHalfLittleEndian(at);

    // d (and m), then 16 bytes: the low halves are the first 16 numbers.
    private static void Q4(ReadOnlySpan<byte> b, Span<float> y)
    {
        var (d, offset, q) = b.Length == 18 ? (Half(b), -8 * Half(b), 2) : (Half(b), Half(b[2..]), 4);
        for (var i = 0; i < 16; i++)
            (y[i], y[i + 16]) = ((b[q + i] & 15) * d + offset, (b[q + i] >> 4) * d + offset);
    }

    // As Q4, with a fifth bit of each number in 4 bytes before them.
    private static void Q5(ReadOnlySpan<byte> b, Span<float> y)
    {
        var (d, offset, h) = b.Length == 22 ? (Half(b), -16 * Half(b), 2) : (Half(b), Half(b[2..]), 4);
        var high = BinaryPrimitives.ReadUInt32LittleEndian(b[h..]);
        for (var i = 0; i < 16; i++)
            (y[i], y[i + 16]) = (
                ((b[h + 4 + i] & 15) | (int)(high >> i & 1) << 4) * d + offset,
                ((b[h + 4 + i] >> 4) | (int)(high >> (i + 16) & 1) << 4) * d + offset
            );
    }

    private static void Q8(ReadOnlySpan<byte> b, Span<float> y)
    {
        var d = Half(b);
        for (var i = 0; i < 32; i++)
            y[i] = (sbyte)b[2 + i] * d;
    }

    // Eight scales and eight offsets of 6 bits in 12 bytes.
    private static (int Scale, int Offset) Scales(ReadOnlySpan<byte> s, int i) =>
        i < 4
            ? (s[i] & 63, s[i + 4] & 63)
            : ((s[i + 4] & 15) | (s[i - 4] >> 6) << 4, (s[i + 4] >> 4) | (s[i] >> 6) << 4);

    private static void K4(ReadOnlySpan<byte> b, Span<float> y)
    {
        var (d, m) = (Half(b), Half(b[2..]));
        for (var i = 0; i < 8; i++)
        {
            var (scale, offset) = Scales(b.Slice(4, 12), i);
            var (step, lowest) = (d * scale, m * offset);
            for (var k = 0; k < 32; k++)
                y[32 * i + k] = step * (b[16 + i / 2 * 32 + k] >> (i % 2 * 4) & 15) - lowest;
        }
    }

    private static void K5(ReadOnlySpan<byte> b, Span<float> y)
    {
        var (d, m) = (Half(b), Half(b[2..]));
        for (var i = 0; i < 8; i++)
        {
            var (scale, offset) = Scales(b.Slice(4, 12), i);
            var (step, lowest) = (d * scale, m * offset);
            for (var k = 0; k < 32; k++)
                y[32 * i + k] =
                    step * ((b[48 + i / 2 * 32 + k] >> (i % 2 * 4) & 15) | (b[16 + k] >> i & 1) << 4) - lowest;
        }
    }

    // 128 bytes of low halves, 64 of two high bits each, 16 scales of 8 bits, d.
    private static void K6(ReadOnlySpan<byte> b, Span<float> y)
    {
        var d = Half(b[208..]);
        for (var i = 0; i < 256; i++)
        {
            var (half, quarter, k) = (i / 128, i / 32 % 4, i % 32);
            var low = b[half * 64 + quarter % 2 * 32 + k] >> (quarter / 2 * 4) & 15;
            var high = b[128 + half * 32 + k] >> (2 * quarter) & 3;
            y[i] = d * (sbyte)b[192 + i / 16] * ((low | high << 4) - 32);
        }
    }
}
