using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// A memory-mapped GGUF file, version 2 or 3: key-value pairs, a list of tensors, and from an aligned place on their
/// data in blocks (<see cref="GgufBlocks"/>). Everything is checked before the first byte of data is handed out.
/// </summary>
public sealed unsafe class GgufFile : IDisposable
{
    private const int MostTensors = 1_000_000,
        MostPairs = 1_000_000,
        MostText = 10_000_000,
        MostDepth = 3;

    // Where ComfyUI's converters keep the shape of tensors of more than GGUF's four dimensions.
    private const string OriginalShape = "comfy.gguf.orig_shape.";

    private readonly MappedFile map;
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long[]> shapes = new(StringComparer.Ordinal);
    private long at = 4;

    private GgufFile(MappedFile map)
    {
        this.map = map;
        if (!map.Span(0, 4).SequenceEqual("GGUF"u8))
            throw Broken("it does not begin with 'GGUF'");
        var version = U32();
        if (version is not (2 or 3))
            throw Broken($"version {version}; 2 and 3 are read");
        var (tensors, pairs) = (Count(MostTensors, "tensors"), Count(MostPairs, "key-value pairs"));
        for (var i = 0; i < pairs; i++)
            Pair();
        var listed = new List<(string Name, long[] Shape, uint Type, long Offset)>(tensors);
        for (var i = 0; i < tensors; i++)
            listed.Add(Entry());
        var text = metadata.GetValueOrDefault("general.alignment", "32");
        if (!long.TryParse(text, CultureInfo.InvariantCulture, out var alignment) || alignment is < 1 or > 1 << 20)
            throw Broken($"an alignment of {text}");
        var data = (at + alignment - 1) / alignment * alignment;
        var names = new HashSet<string>(StringComparer.Ordinal);
        Tensors =
        [
            .. listed.Select(t =>
                names.Add(t.Name)
                    ? Lazy(t.Name, t.Shape, t.Type, t.Offset, data)
                    : throw Broken($"tensor {Quote(t.Name)} is listed twice")
            ),
        ];
    }

    /// <summary>The tensors, read when wanted.</summary>
    public IReadOnlyList<LazyTensor> Tensors { get; }

    /// <summary>Single texts and numbers that the file says of itself.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <summary>Maps and checks a file.</summary>
    /// <exception cref="UserException">No such file, a broken rule, or a tensor in a form that is not
    /// read.</exception>
    public static GgufFile Open(string path)
    {
        var map = MappedFile.Open(path, 24, ".gguf")
            ?? throw new UserException($"{path}: not a valid GGUF file: fewer than 24 bytes. Download it again.");
        try
        {
            return new GgufFile(map);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => map.Dispose();

    private LazyTensor Lazy(string name, long[] shape, uint type, long offset, long data)
    {
        if (GgufBlocks.Of(type) is not { } form)
            throw new UserException(
                $"{map.Path}: tensor {Quote(name)} is quantised as {GgufBlocks.Name(type)}; read are "
                    + $"{string.Join(", ", GgufBlocks.Known)}. Take the file in one of these, or the original weights."
            );
        if (shapes.TryGetValue(name, out var original))
        {
            if (!LazyTensor.Fits(original) || Elements(original) != Elements(shape))
                throw Broken($"tensor {Quote(name)} of [{Sizes(shape)}] cannot have the shape [{Sizes(original)}]");
            shape = original;
        }
        var count = Elements(shape);
        if (count % form.Elements != 0)
            throw Broken($"tensor {Quote(name)} has {count} elements, which are no blocks of {form.Elements}");
        var bytes = count / form.Elements * form.Bytes;
        if (offset < 0 || bytes > map.Length - data || offset > map.Length - data - bytes)
            throw Broken($"tensor {Quote(name)} reaches beyond the file's end: cut short?");
        return new(name, form.Dtype, shape, () => form.Read(map.At(data + offset, bytes), shape))
        {
            Stored = form.Quantised ? form.Name : null,
        };
    }

    private (string, long[], uint, long) Entry()
    {
        var name = Text();
        var rank = U32();
        if (rank > 4)
            throw Broken($"tensor {Quote(name)} has {rank} dimensions; GGUF has at most 4");
        var shape = new long[rank];
        // the innermost dimension comes first
        for (var i = (int)rank - 1; i >= 0; i--)
            shape[i] = I64();
        return LazyTensor.Fits(shape)
            ? (name, shape, U32(), I64())
            : throw Broken($"tensor {Quote(name)} has an impossible shape [{Sizes(shape)}]");
    }

    private void Pair()
    {
        var key = Text();
        var type = U32();
        if (type == 9)
        {
            var numbers = List(1);
            if (key.StartsWith(OriginalShape, StringComparison.Ordinal) && numbers is not null)
                shapes[key[OriginalShape.Length..]] = numbers;
        }
        else if (!metadata.TryAdd(key, Value(type)))
            throw Broken($"it has {Quote(key)} twice");
    }

    // A list of numbers; lists of anything else are passed over.
    private long[]? List(int depth)
    {
        var (type, count) = (U32(), I64());
        if (depth > MostDepth || count < 0 || count > map.Length)
            throw Broken("a list in it is longer or deeper than any file's");
        var numbers = new List<long>();
        for (var i = 0L; i < count; i++)
            if (type == 9)
                _ = List(depth + 1);
            else if (
                Value(type) is var value
                && count <= 8
                && long.TryParse(value, CultureInfo.InvariantCulture, out var n)
            )
                numbers.Add(n);
        return numbers.Count == count ? [.. numbers] : null;
    }

    private string Value(uint type) =>
        type switch
        {
            0 => Invariant(Next(1)[0]),
            1 => Invariant((sbyte)Next(1)[0]),
            2 => Invariant(BinaryPrimitives.ReadUInt16LittleEndian(Next(2))),
            3 => Invariant(BinaryPrimitives.ReadInt16LittleEndian(Next(2))),
            4 => Invariant(U32()),
            5 => Invariant((int)U32()),
            6 => Invariant(BinaryPrimitives.ReadSingleLittleEndian(Next(4))),
            7 => Next(1)[0] != 0 ? "true" : "false",
            8 => Text(),
            10 => Invariant((ulong)I64()),
            11 => Invariant(I64()),
            12 => Invariant(BinaryPrimitives.ReadDoubleLittleEndian(Next(8))),
            _ => throw Broken($"a value in it is of type {type}, which GGUF does not have"),
        };

    private static string Invariant(IFormattable value) => value.ToString(null, CultureInfo.InvariantCulture);

    private int Count(int most, string what) =>
        I64() is var n && n >= 0 && n <= most ? (int)n : throw Broken($"it says it has {(ulong)n} {what}");

    private string Text()
    {
        var length = I64();
        return length is >= 0 and <= MostText
            ? Encoding.UTF8.GetString(Next((int)length))
            : throw Broken($"a text in it has {(ulong)length} bytes");
    }

    private uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Next(4));

    private long I64() => BinaryPrimitives.ReadInt64LittleEndian(Next(8));

    private ReadOnlySpan<byte> Next(int bytes)
    {
        if (bytes > map.Length - at)
            throw Broken("it ends within its header: cut short?");
        at += bytes;
        return map.Span(at - bytes, bytes);
    }

    private static long Elements(long[] shape) => shape.Aggregate(1L, (a, b) => a * b);

    private static string Sizes(long[] shape) => string.Join(", ", shape);

    private static string Quote(string name) => SafetensorsHeader.Quote(name);

    private UserException Broken(string what) =>
        new($"{map.Path}: not a valid GGUF file: {what}. Download or convert it again.");
}
