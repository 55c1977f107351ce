using System.Buffers.Binary;
using System.IO.Compression;

namespace LongTake.Bench.Gpu;

/// <summary>Writes a PNG of RGB bytes without any other program.</summary>
internal static class Png
{
    /// <summary>Frames [height, width, 3] side by side, a number of them in a row.</summary>
    public static void Write(string path, IReadOnlyList<byte[]> frames, int width, int height, int columns)
    {
        var (rows, line) = ((frames.Count + columns - 1) / columns, 1 + 3 * width * columns);
        var pixels = new byte[rows * height * line]; // each line begins with its filter, none
        for (var i = 0; i < frames.Count; i++)
        for (var y = 0; y < height; y++)
            frames[i]
                .AsSpan(3 * width * y, 3 * width)
                .CopyTo(pixels.AsSpan((i / columns * height + y) * line + 1 + 3 * width * (i % columns)));
        using var file = File.Create(path);
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10]);
        var head = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width * columns);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), rows * height);
        (head[8], head[9]) = (8, 2); // bits of a colour; red, green and blue
        Chunk(file, "IHDR"u8, head);
        using var packed = new MemoryStream();
        using (var zip = new ZLibStream(packed, CompressionLevel.Optimal, leaveOpen: true))
            zip.Write(pixels);
        Chunk(file, "IDAT"u8, packed.ToArray());
        Chunk(file, "IEND"u8, []);
    }

    private static void Chunk(FileStream file, ReadOnlySpan<byte> kind, ReadOnlySpan<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(kind);
        file.Write(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, ~Crc(data, Crc(kind, uint.MaxValue)));
        file.Write(number);
    }

    private static uint Crc(ReadOnlySpan<byte> data, uint crc)
    {
        foreach (var b in data)
        {
            crc ^= b;
            for (var k = 0; k < 8; k++)
                crc = crc >> 1 ^ (0xEDB88320 & (uint)-(int)(crc & 1));
        }
        return crc;
    }
}
