using System.Buffers.Binary;
using System.Text;
using LongTake.Training;

namespace LongTake.Tests.Training;

public sealed class LogTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;
    private readonly RunFolder run;

    public LogTests() => run = new RunFolder(folder);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Train(long from, long to)
    {
        using var log = new TrainingLog(run, from);
        for (var step = from + 1; step <= to; step++)
            log.Write(new(step, step * 4, step / 2.0, [("loss", 1.0 / step), ("flow", step)]));
    }

    [Fact]
    public void A_resumed_log_is_that_of_an_unbroken_run()
    {
        Train(0, 10);
        var whole = File.ReadAllText(run.Log);
        Assert.StartsWith("""{"step":1,"samples":4,"seconds":0.5,"loss":1,"flow":1}""" + "\n", whole);
        File.AppendAllText(run.Log, """{"step":11,"sam""");
        Train(6, 10);
        Assert.Equal(whole, File.ReadAllText(run.Log));
        Train(10, 10);
        Assert.Equal(whole, File.ReadAllText(run.Log));
        File.WriteAllText(run.Log, whole.TrimEnd('\n')); // killed before the line's end was out
        Train(10, 12);
        Assert.Equal(12, TrainingLog.Read(run.Log).Count());
        Train(0, 3);
        Assert.Equal(3, TrainingLog.Read(run.Log).Count());
    }

    [Fact]
    public void Values_that_json_lacks_come_back()
    {
        using (var log = new TrainingLog(run, 0))
        {
            log.Write(
                new(
                    1,
                    1,
                    1,
                    [("a", double.NaN), ("b", double.PositiveInfinity), ("c", double.NegativeInfinity), ("d", 0.1)]
                )
            );
            Assert.Throws<ArgumentException>(() => log.Write(new(2, 1, 1, [("step", 1)])));
            Assert.Single(TrainingLog.Read(run.Log));
        }
        Assert.Equal(
            [double.NaN, double.PositiveInfinity, double.NegativeInfinity, 0.1],
            TrainingLog.Read(run.Log).Single().Scalars.Select(s => s.Value)
        );
    }

    [Fact]
    public void Crc32c_has_the_published_values()
    {
        Assert.Equal(0xE3069283u, TensorBoard.Crc32C("123456789"u8));
        Assert.Equal(0x8A9136AAu, TensorBoard.Crc32C(new byte[32])); // RFC 3720, B.4
    }

    [Fact]
    public void Event_files_parse_back()
    {
        using (var log = new TrainingLog(run, 7))
        {
            log.Write(new(300, 1, 1, [("loss/flow", 0.25), ("bad", double.NaN)]));
        }
        var records = Records(Directory.GetFiles(folder, "events.out.tfevents.*").Single());
        Assert.Equal(3, records.Count);
        Assert.Equal("brain.Event:2", Encoding.UTF8.GetString(Field(records[0], 3)));
        Assert.Equal((8UL, 1UL), (Number(records[1], 2), Number(Field(records[1], 7), 1)));
        Assert.Equal(300UL, Number(records[2], 2));
        var value = Field(Field(records[2], 5), 1);
        Assert.Equal("loss/flow", Encoding.UTF8.GetString(Field(value, 1)));
        Assert.Equal(0.25f, BinaryPrimitives.ReadSingleLittleEndian(Field(value, 2)));
    }

    private static List<byte[]> Records(string path)
    {
        var bytes = File.ReadAllBytes(path).AsSpan();
        var records = new List<byte[]>();
        while (bytes.Length > 0)
        {
            var length = (int)BinaryPrimitives.ReadInt64LittleEndian(bytes);
            Assert.Equal(TensorBoard.MaskedCrc(bytes[..8]), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]));
            records.Add(bytes.Slice(12, length).ToArray());
            Assert.Equal(
                TensorBoard.MaskedCrc(records[^1]),
                BinaryPrimitives.ReadUInt32LittleEndian(bytes[(12 + length)..])
            );
            bytes = bytes[(16 + length)..];
        }
        return records;
    }

    // A protocol-buffer reader for the first field of a number: wire types 0 (varint), 1 (64 bits), 2 (bytes), 5 (32
    // bits).
    private static byte[] Field(byte[] message, int field)
    {
        for (var at = 0; at < message.Length; )
        {
            var key = (int)Varint(message, ref at);
            var begin = at;
            if ((key & 7) == 0)
                Varint(message, ref at);
            else if ((key & 7) == 2)
            {
                var length = (int)Varint(message, ref at);
                begin = at;
                at += length;
            }
            else
                at += (key & 7) == 1 ? 8 : 4;
            if (key >> 3 == field)
                return message[begin..at];
        }
        throw new KeyNotFoundException($"field {field}");
    }

    private static ulong Number(byte[] message, int field)
    {
        var at = 0;
        return Varint(Field(message, field), ref at);
    }

    private static ulong Varint(byte[] bytes, ref int at)
    {
        for (var (value, shift) = (0UL, 0); ; shift += 7)
        {
            value |= (ulong)(bytes[at] & 0x7F) << shift;
            if (bytes[at++] < 0x80)
                return value;
        }
    }
}
