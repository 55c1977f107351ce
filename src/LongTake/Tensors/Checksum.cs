using System.Buffers.Binary;

namespace LongTake.Tensors;

/// <summary>
/// Passes bytes on and counts them, with zip's checksum (CRC-32, polynomial 0xEDB88320), eight bytes a step.
/// </summary>
internal sealed class Checksum(Stream to) : Stream
{
    private static readonly uint[][] tables = Tables();
    private uint state = uint.MaxValue;

    /// <summary>Bytes passed on.</summary>
    public long Count { get; private set; }

    /// <summary>The checksum of all of them.</summary>
    public uint Value => ~state;

    private static uint[][] Tables()
    {
        var t = new uint[8][];
        t[0] =
        [
            .. Enumerable
                .Range(0, 256)
                .Select(i =>
                {
                    var c = (uint)i;
                    for (var bit = 0; bit < 8; bit++)
                        c = (c & 1) != 0 ? c >> 1 ^ 0xEDB88320 : c >> 1;
                    return c;
                }),
        ];
        for (var k = 1; k < 8; k++)
            t[k] = [.. t[k - 1].Select(c => c >> 8 ^ t[0][c & 255])];
        return t;
    }

    public override void Write(ReadOnlySpan<byte> bytes)
    {
        to.Write(bytes);
        Count += bytes.Length;
        var (c, t) = (state, tables);
        for (; bytes.Length >= 8; bytes = bytes[8..])
        {
            var a = BinaryPrimitives.ReadUInt32LittleEndian(bytes) ^ c;
            var b = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
            c =
                t[7][a & 255]
                ^ t[6][a >> 8 & 255]
                ^ t[5][a >> 16 & 255]
                ^ t[4][a >> 24]
                ^ t[3][b & 255]
                ^ t[2][b >> 8 & 255]
                ^ t[1][b >> 16 & 255]
                ^ t[0][b >> 24];
        }
        foreach (var x in bytes)
            c = c >> 8 ^ t[0][(c ^ x) & 255];
        state = c;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => to.Flush();

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
