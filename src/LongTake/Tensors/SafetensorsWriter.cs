using System.Buffers.Binary;
using System.Text.Json;

namespace LongTake.Tensors;

/// <summary>
/// Writes safetensors files: the same input gives the same bytes. The header keeps the given order of names; the data
/// lies in order of falling element size, so that each tensor is aligned to its elements.
/// </summary>
public static class SafetensorsWriter
{
    /// <summary>
    /// Writes one file atomically (see <see cref="AtomicFile"/>). Each tensor's <c>Write</c> must put exactly the bytes
    /// that dtype and shape ask for, row-major and little-endian, into the stream; it is called once.
    /// </summary>
    /// <exception cref="UserException">The disk is full or the file cannot be written.</exception>
    /// <exception cref="ArgumentException">A dtype, a shape, a name or the number of bytes written is
    /// wrong.</exception>
    public static void Write(
        string path,
        IReadOnlyList<(string Name, string Dtype, long[] Shape, Action<Stream> Write)> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        var sizes = tensors.Select(t => Size(t.Name, t.Dtype, t.Shape)).ToArray();
        var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
        foreach (var t in tensors)
            if (!names.Add(t.Name))
                throw new ArgumentException(
                    $"two tensors are called '{t.Name}', or it is a reserved name",
                    nameof(tensors)
                );
        int[] order =
        [
            .. Enumerable.Range(0, sizes.Length).OrderByDescending(i => SafetensorsFile.ItemSizes[tensors[i].Dtype]),
        ];
        var header = Header(tensors, sizes, order, metadata);
        AtomicFile.Write(path, file =>
        {
            file.Write(header);
            foreach (var i in order)
            {
                var begin = file.Position;
                tensors[i].Write(file);
                if (file.Position - begin != sizes[i])
                    throw new ArgumentException(
                        $"tensor '{tensors[i].Name}' takes {sizes[i]} bytes, {file.Position - begin} were written"
                    );
            }
        });
    }

    /// <summary>
    /// Writes one file, or, beyond <paramref name="maxBytes"/> of data, shards <c>name-00001-of-0000N.safetensors</c>
    /// and at last their <c>name.safetensors.index.json</c>. A single tensor beyond the limit gets a shard of its own.
    /// </summary>
    /// <returns>The path to open: the file or the index.</returns>
    /// <exception cref="UserException">The disk is full or a file cannot be written.</exception>
    public static string WriteSharded(
        string path,
        IReadOnlyList<(string Name, string Dtype, long[] Shape, Action<Stream> Write)> tensors,
        long maxBytes,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        var shards = new List<List<(string Name, string Dtype, long[] Shape, Action<Stream> Write)>>();
        var (total, filled) = (0L, 0L);
        foreach (var tensor in tensors)
        {
            var size = Size(tensor.Name, tensor.Dtype, tensor.Shape);
            if (shards.Count == 0 || (filled > 0 && size > maxBytes - filled))
            {
                shards.Add([]);
                filled = 0;
            }
            shards[^1].Add(tensor);
            (total, filled) = (total + size, filled + size);
        }
        var index = path + ".index.json";
        if (shards.Count <= 1)
        {
            Write(path, tensors, metadata);
            File.Delete(index); // of a longer set that was here before
            return path;
        }
        var stem = Path.GetFileNameWithoutExtension(path);
        string[] names = [.. shards.Select((_, i) => $"{stem}-{i + 1:D5}-of-{shards.Count:D5}.safetensors")];
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        for (var i = 0; i < names.Length; i++)
            Write(Path.Combine(folder, names[i]), shards[i], metadata);
        AtomicFile.Write(index, file =>
            Index(file, total, shards.SelectMany((s, i) => s.Select(t => (t.Name, names[i]))))
        );
        return index;
    }

    private static void Index(Stream file, long total, IEnumerable<(string Name, string Shard)> map)
    {
        using var json = new Utf8JsonWriter(file, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartObject("metadata");
        json.WriteNumber("total_size", total);
        json.WriteEndObject();
        json.WriteStartObject("weight_map");
        foreach (var (name, shard) in map)
            json.WriteString(name, shard);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static long Size(string name, string dtype, long[] shape)
    {
        if (!SafetensorsFile.ItemSizes.TryGetValue(dtype, out var item))
            throw new ArgumentException($"tensor '{name}': unknown dtype '{dtype}'");
        if (shape.Any(n => n < 0))
            throw new ArgumentException($"tensor '{name}': negative shape [{string.Join(", ", shape)}]");
        return SafetensorsHeader.SizeInBytes(shape, item)
            ?? throw new ArgumentException($"tensor '{name}' is too large");
    }

    private static byte[] Header(
        IReadOnlyList<(string Name, string Dtype, long[] Shape, Action<Stream>)> tensors,
        long[] sizes,
        int[] order,
        IReadOnlyDictionary<string, string>? metadata
    )
    {
        var (begins, at) = (new long[sizes.Length], 0L);
        foreach (var i in order)
            (begins[i], at) = (at, at + sizes[i]);
        using var bytes = new MemoryStream();
        bytes.Write(stackalloc byte[8]);
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(m => m.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            for (var i = 0; i < sizes.Length; i++)
            {
                json.WriteStartObject(tensors[i].Name);
                json.WriteString("dtype", tensors[i].Dtype);
                Numbers(json, "shape", tensors[i].Shape);
                Numbers(json, "data_offsets", begins[i], begins[i] + sizes[i]);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (bytes.Length % 8 != 0)
            bytes.WriteByte((byte)' ');
        var header = bytes.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - 8);
        return header;
    }

    private static void Numbers(Utf8JsonWriter json, string name, params ReadOnlySpan<long> numbers)
    {
        json.WriteStartArray(name);
        foreach (var n in numbers)
            json.WriteNumberValue(n);
        json.WriteEndArray();
    }
}
