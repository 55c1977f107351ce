using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tests.Tensors;

public sealed partial class SafetensorsTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string At(string name) => Path.Combine(folder, name);

    private static (string Name, string Dtype, long[] Shape, Action<Stream> Write) Tensor(
        string name,
        string dtype,
        long[] shape,
        byte[] bytes
    ) => (name, dtype, shape, s => s.Write(bytes));

    private static byte[] Bytes(int count, int seed = 1) =>
        [.. Enumerable.Range(0, count).Select(i => (byte)(i * 7 + seed))];

    private string Sample(string name = "a.safetensors")
    {
        SafetensorsWriter.Write(
            At(name),
            [
                Tensor("mask", "BOOL", [3], [1, 0, 1]),
                Tensor("blocks.0.qkv", "F32", [2, 3], Bytes(24)),
                Tensor("scalar", "F64", [], Bytes(8, 5)),
                Tensor("none", "BF16", [0, 4], []),
                Tensor("größe", "I16", [2], Bytes(4, 9)),
            ],
            new Dictionary<string, string> { ["step"] = "12", ["a"] = "\"quoted\"" }
        );
        return At(name);
    }

    [Fact]
    public void Round_trip()
    {
        using var file = SafetensorsFile.Open(Sample());
        Assert.Equal(["mask", "blocks.0.qkv", "scalar", "none", "größe"], file.Names);
        Assert.Equal(("12", "\"quoted\""), (file.Metadata["step"], file.Metadata["a"]));
        Assert.Equal(("F32", 24L), (file.Entry("blocks.0.qkv").Dtype, file.Entry("blocks.0.qkv").Length));
        Assert.Equal([2, 3], file.Entry("blocks.0.qkv").Shape);
        Assert.Equal(Bytes(24), file.Bytes("blocks.0.qkv").ToArray());
        Assert.Equal(Bytes(8, 5), file.Bytes("scalar").ToArray());
        Assert.Equal(Bytes(4, 9), file.Bytes("größe").ToArray());
        Assert.Equal([1, 0, 1], file.Bytes("mask").ToArray());
        Assert.Empty(file.Entry("scalar").Shape);
        Assert.Equal(0, file.Bytes("none").Length);
        foreach (var name in file.Names)
            Assert.Equal(0, file.Entry(name).Offset % SafetensorsFile.ItemSizes[file.Entry(name).Dtype]);
        Assert.Contains("no tensor 'nope'", Assert.Throws<UserException>(() => file.Entry("nope")).Message);
    }

    [Fact]
    public void Same_input_same_bytes_and_no_temporary_left()
    {
        Assert.Equal(File.ReadAllBytes(Sample("a.safetensors")), File.ReadAllBytes(Sample("b.safetensors")));
        Assert.Equal(2, Directory.GetFiles(folder).Length);
        Assert.Equal(0, BinaryPrimitives.ReadInt64LittleEndian(File.ReadAllBytes(At("a.safetensors"))) % 8);
    }

    [Fact]
    public void Use_after_dispose_throws()
    {
        var file = SafetensorsFile.Open(Sample());
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Bytes("mask").Length);
    }

    [Fact]
    public void A_failed_write_keeps_the_old_file_and_names_it()
    {
        var path = Sample();
        var before = File.ReadAllBytes(path);
        var full = Assert.Throws<UserException>(() =>
            SafetensorsWriter.Write(path, [("a", "U8", [1], _ => throw new IOException("No space left on device", 28))])
        );
        Assert.Contains(path, full.Message);
        Assert.Contains("disk is full", full.Message);
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Write(path, [Tensor("a", "F32", [2], Bytes(7))]));
        Assert.Equal(before, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFiles(folder));
    }

    [Fact]
    public void The_writer_refuses_wrong_tensors()
    {
        void Refused(params (string, string, long[], Action<Stream>)[] tensors) =>
            Assert.ThrowsAny<ArgumentException>(() => SafetensorsWriter.Write(At("x.safetensors"), tensors));
        Refused(Tensor("a", "F8", [1], [0]));
        Refused(Tensor("a", "U8", [-1], []));
        Refused(Tensor("a", "U8", [long.MaxValue, 3], []));
        Refused(Tensor("a", "U8", [1], [0]), Tensor("a", "U8", [1], [0]));
        Refused(Tensor("__metadata__", "U8", [1], [0]));
        Assert.Empty(Directory.GetFiles(folder));
    }

    // A valid file of two tensors: a = U8 [4] and b = F32 [2].
    private const string Valid =
        """{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""";

    private string File_(byte[] header, int data = 12, long? length = null)
    {
        var bytes = new byte[8 + header.Length + data];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, length ?? header.Length);
        header.CopyTo(bytes, 8);
        File.WriteAllBytes(At("m.safetensors"), bytes);
        return At("m.safetensors");
    }

    private static void Refused(string path, string because)
    {
        var e = Assert.Throws<UserException>(() => SafetensorsFile.Open(path).Dispose());
        Assert.Contains(path, e.Message);
        Assert.Contains(because, e.Message);
    }

    [Fact]
    public void The_valid_file_opens()
    {
        using var file = SafetensorsFile.Open(File_(Encoding.UTF8.GetBytes(Valid + "   ")));
        Assert.Equal(["a", "b"], file.Names);
    }

    [Theory]
    [InlineData("\"a\":{", "\"b\":{", "tensor 'b' is listed twice")]
    [InlineData("[0,4]", "[0,5]", "tensor 'a' U8 [4] takes 4 bytes, the offsets give 5")]
    [InlineData("[4,12]", "[2,10]", "tensor 'b' overlaps 'a' by 2 bytes")]
    [InlineData("[4,12]", "[5,13]", "tensor 'b' reaches to byte")]
    [InlineData("[4,12]", "[9223372036854775799,9223372036854775807]", "tensor 'b' reaches to byte")]
    [InlineData(
        "[2],\"data_offsets\":[4,12]",
        "[1],\"data_offsets\":[8,12]",
        "tensor 'b' leaves a hole of 4 bytes behind 'a'"
    )]
    [InlineData("[2],\"data_offsets\":[4,12]", "[1],\"data_offsets\":[4,8]", "4 bytes follow the last tensor")]
    [InlineData("[0,4]", "[4,0]", "not a begin and an end")]
    [InlineData("[0,4]", "[0,4,4]", "not a begin and an end")]
    [InlineData("[0,4]", "[-4,0]", "data_offsets holds the negative number -4")]
    [InlineData("[4]", "[-4]", "shape holds the negative number -4")]
    [InlineData("[4]", "[4.5]", "not a whole 64-bit number")]
    [InlineData("[4]", "[99999999999999999999]", "not a whole 64-bit number")]
    [InlineData("[4]", "[4294967296,4294967296]", "more elements than any file can hold")]
    [InlineData("[4]", "\"4\"", "shape is not a list")]
    [InlineData("[4]", "[\"4\"]", "not a whole 64-bit number")]
    [InlineData("[4]", "[[4]]", "not a whole 64-bit number")]
    [InlineData("F32", "F8_E8M0", "dtype 'F8_E8M0', which is not read here. Convert it to one of F64")]
    [InlineData("\"F32\"", "32", "tensor 'b' dtype is not a text")]
    [InlineData("\"dtype\":\"F32\",", "", "tensor 'b' lacks 'dtype'")]
    [InlineData("\"shape\":[2],", "", "tensor 'b' lacks 'shape'")]
    [InlineData(",\"data_offsets\":[4,12]", "", "tensor 'b' lacks 'data_offsets'")]
    [InlineData("\"shape\":[2]", "\"shape\":[2],\"shape\":[2]", "tensor 'b' has 'shape' twice")]
    [InlineData("\"shape\":[2]", "\"shape\":[2],\"stride\":[1]", "tensor 'b' has a member 'stride'")]
    [InlineData("{\"a\"", "{\"__metadata__\":{\"n\":1},\"a\"", "__metadata__ 'n' is not a text")]
    [InlineData("{\"a\"", "{\"__metadata__\":{\"n\":\"1\",\"n\":\"2\"},\"a\"", "__metadata__ has 'n' twice")]
    [InlineData("{\"a\"", "{\"__metadata__\":[],\"a\"", "'__metadata__' is not a JSON object")]
    [InlineData("{\"a\"", "{\"\\ud800\"", "not valid JSON")]
    [InlineData("{\"a\"", "{a", "not valid JSON")]
    [InlineData("{\"a\"", " {\"a\"", "does not start with '{'")]
    [InlineData("}}", "}", "not valid JSON")]
    [InlineData("}}", "}}}", "not valid JSON")]
    [InlineData("}}", "}}\0", "not valid JSON")]
    [InlineData("}}", "},}", "not valid JSON")]
    public void A_broken_rule_is_refused(string old, string @new, string because)
    {
        Assert.Contains(old, Valid, StringComparison.Ordinal);
        var at = Valid.IndexOf(old, StringComparison.Ordinal);
        Refused(
            File_(Encoding.UTF8.GetBytes(string.Concat(Valid.AsSpan(0, at), @new, Valid.AsSpan(at + old.Length)))),
            because
        );
    }

    [Fact]
    public void Bad_lengths_and_texts_are_refused()
    {
        var json = Encoding.UTF8.GetBytes(Valid);
        Refused(File_(json, length: -1), "the limit is 100000000");
        Refused(File_(json, length: 100_000_001), "the limit is 100000000");
        Refused(File_(json, length: 100_000_000), "the whole file only");
        Refused(File_(json, length: 0), "does not start with '{'");
        Refused(File_(json, data: 13), "1 bytes follow the last tensor");
        json[2] = 0xFF;
        Refused(File_(json), "not UTF-8");
        Refused(At("missing.safetensors"), "no such file");
        Refused(folder, "");
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        var whole = File.ReadAllBytes(Sample());
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(At("cut.safetensors"), whole[..length]);
            Refused(At("cut.safetensors"), "not a valid safetensors file");
        }
    }

    [Fact]
    public void Flipped_header_bytes_never_crash()
    {
        var whole = File.ReadAllBytes(Sample());
        var header = 8 + (int)BinaryPrimitives.ReadInt64LittleEndian(whole);
        var random = new Rng(1);
        var refused = 0;
        for (var trial = 0; trial < 3000; trial++)
        {
            var bytes = whole.ToArray();
            for (var flips = 1 + random.Int(3); flips > 0; flips--)
                bytes[random.Int(header)] = (byte)random.Int(256);
            File.WriteAllBytes(At("fuzz.safetensors"), bytes);
            try
            {
                using var file = SafetensorsFile.Open(At("fuzz.safetensors"));
                foreach (var name in file.Names)
                    _ = file.Bytes(name).ToArray();
            }
            catch (UserException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1000, 3000);
    }
}
