using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// Where the files of a zip archive lie, for archives whose files are stored as they are, which is what PyTorch writes
/// and what can be mapped. Nothing is ever unpacked: a compressed entry, a path that leaves the archive, entries that
/// overlap or reach outside the file are refused. Zip64 sizes and offsets are understood.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint EndMark = 0x06054b50,
        End64Mark = 0x06064b50,
        Locator64Mark = 0x07064b50,
        EntryMark = 0x02014b50,
        LocalMark = 0x04034b50;
    private const int EndSize = 22,
        LongestComment = ushort.MaxValue;

    private readonly MappedFile file;
    private readonly Dictionary<string, (long Offset, long Length)> entries = new(StringComparer.Ordinal);

    /// <summary>Reads and checks the directory of an archive.</summary>
    public ZipDirectory(MappedFile file)
    {
        this.file = file;
        var (at, size, count) = Find();
        var taken = new List<(long Begin, long End)>();
        var end = at + size;
        for (var i = 0L; i < count; i++)
        {
            if (end - at < 46 || U32(at) != EntryMark)
                throw Broken("its directory ends too early");
            at = Entry(at, end, taken);
        }
        taken.Sort();
        for (var i = 1; i < taken.Count; i++)
            if (taken[i].Begin < taken[i - 1].End)
                throw Broken("two of its entries overlap");
    }

    /// <summary>Names in the archive.</summary>
    public IEnumerable<string> Names => entries.Keys;

    /// <summary>Where an entry's bytes lie in the file; null when there is none.</summary>
    public (long Offset, long Length)? Find(string name) => entries.TryGetValue(name, out var found) ? found : null;

    private (long At, long Size, long Count) Find()
    {
        // The end record is the last thing of the file, but for a comment of at most 65,535 bytes.
        var from = Math.Max(0, file.Length - EndSize - LongestComment);
        var tail = file.Span(from, (int)(file.Length - from));
        var end = -1L;
        for (var i = tail.Length - EndSize; i >= 0 && end < 0; i--)
            if (
                BinaryPrimitives.ReadUInt32LittleEndian(tail[i..]) == EndMark
                && tail.Length - i - EndSize == BinaryPrimitives.ReadUInt16LittleEndian(tail[(i + 20)..])
            )
                end = from + i;
        if (end < 0)
            throw Broken("it has no zip directory at its end: cut short?");
        long count = U16(end + 10),
            size = U32(end + 12),
            at = U32(end + 16);
        if (end >= 20 && U32(end - 20) == Locator64Mark)
        {
            var end64 = I64(end - 12);
            if (end64 < 0 || end64 > end - 20 - 56 || U32(end64) != End64Mark)
                throw Broken("its zip64 record is not where it says");
            (count, size, at, end) = (I64(end64 + 32), I64(end64 + 40), I64(end64 + 48), end64);
        }
        if (at < 0 || size < 0 || at > end || size > end - at || count < 0 || count > size / 46)
            throw Broken("its zip directory lies outside the file");
        return (at, size, count);
    }

    private long Entry(long at, long end, List<(long, long)> taken)
    {
        int flags = U16(at + 8),
            method = U16(at + 10),
            nameLength = U16(at + 28),
            extra = U16(at + 30),
            comment = U16(at + 32);
        long packed = U32(at + 20),
            length = U32(at + 24),
            local = U32(at + 42);
        var next = at + 46 + nameLength + extra + comment;
        if (next > end)
            throw Broken("its directory ends too early");
        var name = Encoding.UTF8.GetString(file.Span(at + 46, nameLength));
        var quoted = SafetensorsHeader.Quote(name);
        Wide(at + 46 + nameLength, extra, ref length, ref packed, ref local);
        if (
            name.Length == 0
            || name[0] == '/'
            || name.Contains('\\')
            || name.Contains(':')
            || name.Split('/').Contains("..")
        )
            throw Broken($"entry {quoted} has a path that leaves the archive");
        if ((flags & 1) != 0)
            throw Broken($"entry {quoted} is encrypted");
        if (method != 0 || packed != length)
            throw Broken($"entry {quoted} is compressed; weights are stored as they are");
        if (local < 0 || local > file.Length - 30 || U32(local) != LocalMark)
            throw Broken($"entry {quoted} is not where the directory says");
        var data = local + 30 + U16(local + 26) + U16(local + 28);
        if (length < 0 || data > file.Length || length > file.Length - data)
            throw Broken($"entry {quoted} reaches outside the file");
        if (
            !file.Span(local + 30, Math.Min(U16(local + 26), (int)Math.Min(int.MaxValue, file.Length - local - 30)))
                .SequenceEqual(file.Span(at + 46, nameLength))
        )
            throw Broken($"entry {quoted} has another name in its own header");
        if (!entries.TryAdd(name, (data, length)))
            throw Broken($"entry {quoted} is there twice");
        if (length > 0)
            taken.Add((local, data + length));
        return next;
    }

    // The zip64 extra field (1) holds, in this order, those of the three numbers that are all ones in the record
    // itself.
    private void Wide(long at, int extra, ref long length, ref long packed, ref long local)
    {
        for (var end = at + extra; end - at >= 4; at += 4 + U16(at + 2))
        {
            if (U16(at) != 1)
                continue;
            var (from, to) = (at + 4, Math.Min(end, at + 4 + U16(at + 2)));
            length = Take(length);
            packed = Take(packed);
            local = Take(local);
            return;

            long Take(long narrow)
            {
                if (narrow != uint.MaxValue || to - from < 8)
                    return narrow;
                from += 8;
                return I64(from - 8);
            }
        }
    }

    private int U16(long at) => BinaryPrimitives.ReadUInt16LittleEndian(file.Span(at, 2));

    private uint U32(long at) => BinaryPrimitives.ReadUInt32LittleEndian(file.Span(at, 4));

    private long I64(long at) => BinaryPrimitives.ReadInt64LittleEndian(file.Span(at, 8));

    private UserException Broken(string what) => TorchFile.Broken(file.Path, what);
}
