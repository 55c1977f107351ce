using System.Buffers.Binary;

namespace LongTake.Tensors;

/// <summary>
/// One tensor of a safetensors file. Offset counts bytes from the start of the file, Length is in bytes.
/// </summary>
public sealed record SafetensorsEntry(string Name, string Dtype, long[] Shape, long Offset, long Length);

/// <summary>
/// A memory-mapped safetensors file: 8 bytes of header length (little-endian), a JSON header, the data. Everything in
/// the header is checked before the first byte of data is handed out. The data may lie at any alignment.
/// </summary>
public sealed unsafe class SafetensorsFile : IDisposable
{
    /// <summary>The longest header that is read, in bytes.</summary>
    public const int MaxHeader = 100_000_000;

    private readonly MappedFile map;
    private readonly Dictionary<string, SafetensorsEntry> entries;

    private SafetensorsFile(MappedFile map)
    {
        this.map = map;
        var (path, length) = (map.Path, map.Length);
        var header = BinaryPrimitives.ReadUInt64LittleEndian(map.Span(0, 8));
        if (header > MaxHeader)
            throw SafetensorsHeader.Broken(path, $"the header length is {header} bytes, the limit is {MaxHeader}");
        if ((long)header > length - 8)
            throw SafetensorsHeader.Broken(path, $"the header is {header} bytes, the whole file only {length}");
        var parser = new SafetensorsHeader(path, 8 + (long)header, length);
        parser.Read(map.Span(8, (int)header));
        Metadata = parser.Metadata;
        Names = [.. parser.Entries.Select(e => e.Name)];
        entries = parser.Entries.ToDictionary(e => e.Name, StringComparer.Ordinal);
    }

    /// <summary>Bytes an element takes, by safetensors dtype name: the dtypes this library reads.</summary>
    public static IReadOnlyDictionary<string, int> ItemSizes { get; } =
        new Dictionary<string, int>
        {
            ["F64"] = 8,
            ["F32"] = 4,
            ["F16"] = 2,
            ["BF16"] = 2,
            ["I64"] = 8,
            ["I32"] = 4,
            ["I16"] = 2,
            ["I8"] = 1,
            ["U8"] = 1,
            ["BOOL"] = 1,
            ["F8_E4M3"] = 1,
            ["F8_E5M2"] = 1,
        };

    /// <summary>The path it was opened with.</summary>
    public string FilePath => map.Path;

    /// <summary>Tensor names in the header's order.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The header's <c>__metadata__</c>; empty if it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>
    /// Maps and checks a file. It must not be changed in place while open; replacing it by rename is safe.
    /// </summary>
    /// <exception cref="UserException">No such file, not readable, or any rule of the format is broken.</exception>
    public static SafetensorsFile Open(string path)
    {
        var map = MappedFile.Open(path, 8, ".safetensors")
            ?? throw SafetensorsHeader.Broken(path, "fewer than 8 bytes are too few for a header");
        try
        {
            return new SafetensorsFile(map);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Dtype, shape and place of a tensor.</summary>
    /// <exception cref="UserException">No tensor has this name.</exception>
    public SafetensorsEntry Entry(string name) =>
        entries.TryGetValue(name, out var entry)
            ? entry
            : throw new UserException(
                $"{FilePath}: has no tensor '{name}' among its {Names.Count}. Is it of another model?"
            );

    /// <summary>A tensor's bytes, row-major and little-endian, valid until the file is disposed.</summary>
    /// <exception cref="UserException">No such tensor, or one beyond 2 GiB: use <see cref="Pointer"/>.</exception>
    public ReadOnlySpan<byte> Bytes(string name)
    {
        var at = Pointer(name, out var length);
        return length <= int.MaxValue
            ? new(at, (int)length)
            : throw new UserException($"{FilePath}: tensor '{name}' has {length} bytes, too many for one span.");
    }

    /// <summary>
    /// Where a tensor's bytes begin in memory and how many there are; valid until the file is disposed.
    /// </summary>
    /// <exception cref="UserException">No tensor has this name.</exception>
    public byte* Pointer(string name, out long length)
    {
        var entry = Entry(name);
        length = entry.Length;
        return map.At(entry.Offset, length);
    }

    /// <summary>Unmaps the file; spans and pointers into it are dead.</summary>
    public void Dispose() => map.Dispose();
}
