using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace LongTake.Training;

/// <summary>
/// Writes what TensorBoard reads: a file of TFRecords (length, masked CRC32C of it, bytes, masked CRC32C of them), each
/// an Event message of Google's protocol buffers. Only the handful of fields that scalars need.
/// </summary>
public sealed class TensorBoard : IDisposable
{
    private readonly FileStream file;

    /// <summary>
    /// Starts an event file in a folder. After a resume (step above 0) viewers drop what older files hold past it.
    /// </summary>
    public TensorBoard(string folder, long step)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var n = 0;
        string path;
        do path = Path.Combine(folder, $"events.out.tfevents.{now:D10}.{Environment.ProcessId}.{n++:D3}");
        while (File.Exists(path));
        file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        Event(0, e => Message(e, 3, "brain.Event:2"u8)); // file_version
        if (step > 0)
            Event(step + 1, e => Message(e, 7, Build(s => Varint(s, 1, 1)))); // session_log: START
    }

    /// <summary>One point on the curve of each name.</summary>
    public void Scalars(long step, IReadOnlyList<(string Name, double Value)> scalars) => Event(step, e => Message(
                e,
                5,
                Build(summary =>
                {
                    foreach (var (name, number) in scalars)
                        Message(
                            summary,
                            1,
                            Build(value =>
                            {
                                Message(value, 1, Encoding.UTF8.GetBytes(name)); // tag
                                value.WriteByte(2 << 3 | 5); // simple_value, 32 bits
                                Span<byte> bytes = stackalloc byte[4];
                                BinaryPrimitives.WriteSingleLittleEndian(bytes, (float)number);
                                value.Write(bytes);
                            })
                        );
                })
            ));

    /// <summary>Closes the file.</summary>
    public void Dispose() => file.Dispose();

    /// <summary>
    /// CRC32C (Castagnoli) as TFRecords store it: rotated and offset, so that a sum over sums stays sound.
    /// </summary>
    public static uint MaskedCrc(ReadOnlySpan<byte> bytes)
    {
        var crc = Crc32C(bytes);
        return unchecked(((crc >> 15) | (crc << 17)) + 0xA282EAD8);
    }

    /// <summary>CRC32C of some bytes, RFC 3720.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }

    private void Event(long step, Action<Stream> fields)
    {
        var body = Build(e =>
        {
            Span<byte> wall = stackalloc byte[8];
            BinaryPrimitives.WriteDoubleLittleEndian(wall, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0);
            e.WriteByte(1 << 3 | 1);
            e.Write(wall);
            Varint(e, 2, (ulong)step);
            fields(e);
        });
        var record = new byte[body.Length + 16];
        BinaryPrimitives.WriteInt64LittleEndian(record, body.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), MaskedCrc(record.AsSpan(0, 8)));
        body.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + body.Length), MaskedCrc(body));
        file.Write(record);
        file.Flush();
    }

    private static byte[] Build(Action<Stream> fields)
    {
        var stream = new MemoryStream();
        fields(stream);
        return stream.ToArray();
    }

    private static void Message(Stream stream, int field, ReadOnlySpan<byte> bytes)
    {
        stream.WriteByte((byte)(field << 3 | 2));
        Varint(stream, (ulong)bytes.Length);
        stream.Write(bytes);
    }

    private static void Varint(Stream stream, int field, ulong value)
    {
        stream.WriteByte((byte)(field << 3));
        Varint(stream, value);
    }

    private static void Varint(Stream stream, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            stream.WriteByte((byte)(value | 0x80));
        stream.WriteByte((byte)value);
    }
}
