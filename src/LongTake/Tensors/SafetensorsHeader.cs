using System.Text.Json;
using System.Text.Unicode;

namespace LongTake.Tensors;

/// <summary>
/// The header of one safetensors file, read against the format's rules: known dtypes, sizes that fit the shapes, and
/// tensors that tile the data from its first byte to its last with neither overlap nor hole.
/// </summary>
internal sealed class SafetensorsHeader(string path, long dataStart, long fileLength)
{
    public List<SafetensorsEntry> Entries { get; } = [];

    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <summary>A broken file, and what to do about it.</summary>
    public static UserException Broken(string path, string what, Exception? inner = null) =>
        new($"{path}: not a valid safetensors file: {what}. Download or save it again.", inner: inner);

    /// <summary>Quoted for a message: short, and without characters that a terminal would obey.</summary>
    public static string Quote(string name) =>
        $"'{string.Concat((name.Length > 100 ? name[..100] + "..." : name).Select(c => char.IsControl(c) ? '?' : c))}'";

    public void Read(ReadOnlySpan<byte> json)
    {
        if (json.Length == 0 || json[0] != '{')
            throw Damaged("the header does not start with '{'");
        if (!Utf8.IsValid(json))
            throw Damaged("the header is not UTF-8 text");
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
            reader.Read();
            ReadTop(ref reader);
            reader.Read(); // throws if anything but white space follows
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Damaged($"the header is not valid JSON ({e.Message.TrimEnd('.')})", e);
        }
        CheckTiling();
    }

    private void ReadTop(ref Utf8JsonReader reader)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (Member(ref reader, out var name))
        {
            if (!seen.Add(name))
                throw Damaged($"tensor {Quote(name)} is listed twice");
            if (reader.TokenType != JsonTokenType.StartObject)
                throw Damaged($"{Quote(name)} is not a JSON object");
            if (name == "__metadata__")
                ReadMetadata(ref reader);
            else
                Entries.Add(ReadEntry(ref reader, name));
        }
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        while (Member(ref reader, out var key))
        {
            if (reader.TokenType != JsonTokenType.String)
                throw Damaged($"__metadata__ {Quote(key)} is not a text: metadata maps texts to texts");
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw Damaged($"__metadata__ has {Quote(key)} twice");
        }
    }

    private SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        string? dtype = null;
        long[]? shape = null,
            offsets = null;
        while (Member(ref reader, out var key))
        {
            if (
                key is "dtype" && dtype is not null
                || key is "shape" && shape is not null
                || key is "data_offsets" && offsets is not null
            )
                throw Damaged(name, $"has '{key}' twice");
            if (key == "dtype")
                dtype = ReadDtype(ref reader, name);
            else if (key == "shape")
                shape = ReadNumbers(ref reader, name, key);
            else if (key == "data_offsets")
                offsets = ReadNumbers(ref reader, name, key);
            else
                throw Damaged(name, $"has a member {Quote(key)}; only dtype, shape and data_offsets are known");
        }
        if (dtype is null || shape is null || offsets is null)
            throw Damaged(name, $"lacks '{(dtype is null ? "dtype" : shape is null ? "shape" : "data_offsets")}'");
        if (offsets is not [var begin, var end] || begin > end)
            throw Damaged(name, $"data_offsets [{string.Join(", ", offsets)}] are not a begin and an end");
        var bytes = SizeInBytes(shape, SafetensorsFile.ItemSizes[dtype])
            ?? throw Damaged(name, $"shape [{string.Join(", ", shape)}] has more elements than any file can hold");
        if (end - begin != bytes)
            throw Damaged(
                name,
                $"{dtype} [{string.Join(", ", shape)}] takes {bytes} bytes, the offsets give {end - begin}"
            );
        return new(name, dtype, shape, begin, bytes);
    }

    private string ReadDtype(ref Utf8JsonReader reader, string name)
    {
        if (reader.TokenType != JsonTokenType.String)
            throw Damaged(name, "dtype is not a text");
        var dtype = reader.GetString()!;
        return SafetensorsFile.ItemSizes.ContainsKey(dtype)
            ? dtype
            : throw new UserException(
                $"{path}: tensor {Quote(name)} has dtype {Quote(dtype)}, which is not read here. "
                    + $"Convert it to one of {string.Join(", ", SafetensorsFile.ItemSizes.Keys)}."
            );
    }

    private long[] ReadNumbers(ref Utf8JsonReader reader, string name, string key)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Damaged(name, $"{key} is not a list");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out var n))
                throw Damaged(name, $"{key} holds something that is not a whole 64-bit number");
            numbers.Add(n >= 0 ? n : throw Damaged(name, $"{key} holds the negative number {n}"));
        }
        return [.. numbers];
    }

    /// <summary>Steps to the next member's value, or to the end of the object (false).</summary>
    private static bool Member(ref Utf8JsonReader reader, out string name)
    {
        reader.Read();
        name = reader.TokenType == JsonTokenType.PropertyName ? reader.GetString()! : "";
        return reader.TokenType == JsonTokenType.PropertyName && reader.Read();
    }

    /// <summary>The bytes a shape takes, or null when that is beyond 64 bits.</summary>
    public static long? SizeInBytes(ReadOnlySpan<long> shape, int itemSize)
    {
        if (shape.Contains(0))
            return 0;
        Int128 size = itemSize;
        foreach (var n in shape)
            if ((size *= n) > long.MaxValue)
                return null;
        return (long)size;
    }

    /// <summary>
    /// Offsets in the header count from the data's start; checked, they are moved to count from the file's.
    /// </summary>
    private void CheckTiling()
    {
        var (at, before) = (0L, "the header");
        foreach (var e in Entries.OrderBy(e => e.Offset).ThenBy(e => e.Length))
        {
            if (e.Length > fileLength - dataStart - e.Offset)
                throw Damaged(
                    e.Name,
                    $"reaches to byte {(Int128)dataStart + e.Offset + e.Length} of a file of {fileLength}: cut short?"
                );
            if (e.Offset < at)
                throw Damaged(e.Name, $"overlaps {before} by {at - e.Offset} bytes");
            if (e.Offset > at)
                throw Damaged(e.Name, $"leaves a hole of {e.Offset - at} bytes behind {before}");
            (at, before) = (e.Offset + e.Length, Quote(e.Name));
        }
        if (at != fileLength - dataStart)
            throw Damaged($"{fileLength - dataStart - at} bytes follow the last tensor and belong to none");
        for (var i = 0; i < Entries.Count; i++)
            Entries[i] = Entries[i] with { Offset = Entries[i].Offset + dataStart };
    }

    private UserException Damaged(string what, Exception? inner = null) => Broken(path, what, inner);

    private UserException Damaged(string tensor, string what) => Broken(path, $"tensor {Quote(tensor)} {what}");
}
