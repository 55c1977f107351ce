using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tests.Tensors;

public sealed partial class SafetensorsTests
{
    private string Shards()
    {
        var index = SafetensorsWriter.WriteSharded(
            At("model.safetensors"),
            [.. Enumerable.Range(0, 5).Select(i => Tensor($"t{i}", "U8", [40], Bytes(40, i)))],
            100,
            new Dictionary<string, string> { ["k"] = "v" }
        );
        Assert.Equal(At("model.safetensors.index.json"), index);
        Assert.Equal(3, Directory.GetFiles(folder, "model-0000?-of-00003.safetensors").Length);
        return index;
    }

    [Fact]
    public void Shards_read_like_one_file()
    {
        foreach (var path in new[] { Shards(), folder })
        {
            using var set = SafetensorsSet.Open(path);
            Assert.Equal(["t0", "t1", "t2", "t3", "t4"], set.Names);
            for (var i = 0; i < 5; i++)
                Assert.Equal(Bytes(40, i), set.Bytes($"t{i}").ToArray());
            Assert.Equal("v", set.Metadata["k"]);
            Assert.Contains("no tensor 'x'", Assert.Throws<UserException>(() => set.Entry("x")).Message);
        }
    }

    [Fact]
    public void One_file_is_a_set_and_replaces_an_index()
    {
        Shards();
        var path = SafetensorsWriter.WriteSharded(At("model.safetensors"), [Tensor("t", "U8", [1], [7])], 100);
        Assert.False(File.Exists(path + ".index.json"));
        using var set = SafetensorsSet.Open(path);
        Assert.Equal([7], set.Bytes("t").ToArray());
        Assert.Contains("which one?", Assert.Throws<UserException>(() => SafetensorsSet.Open(folder)).Message);
    }

    [Theory]
    [InlineData(
        "\"t4\": \"model-00003-of-00003.safetensors\"",
        "\"t4\": \"model-00001-of-00003.safetensors\"",
        "is not"
    )]
    [InlineData("\"t4\"", "\"t5\"", "which weight_map does not list")]
    [InlineData("\"t4\": \"model-00003", "\"t4\": \"../model-00003", "not a plain file name")]
    [InlineData(
        "\"t4\": \"model-00003",
        "\"t4\": \"model-00009",
        "shard model-00009-of-00003.safetensors is missing from"
    )]
    [InlineData("\"t4\": \"model-00003-of-00003.safetensors\"", "\"t4\": 3", "is not a text")]
    [InlineData("\"t4\"", "\"t3\"", "not valid JSON")]
    [InlineData("weight_map", "weights", "has no 'weight_map'")]
    [InlineData("}", "", "not valid JSON")]
    public void A_broken_index_is_refused(string old, string @new, string because)
    {
        var index = Shards();
        var text = File.ReadAllText(index);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(index, text.Replace(old, @new, StringComparison.Ordinal));
        Assert.Contains(because, Assert.Throws<UserException>(() => SafetensorsSet.Open(index)).Message);
    }

    [Fact]
    public void Missing_shards_and_doubled_tensors_are_refused()
    {
        var index = Shards();
        File.Copy(At("model-00001-of-00003.safetensors"), At("model-00002-of-00003.safetensors"), overwrite: true);
        Assert.Contains("exactly one shard", Assert.Throws<UserException>(() => SafetensorsSet.Open(index)).Message);
        File.Delete(At("model-00002-of-00003.safetensors"));
        var missing = Assert.Throws<UserException>(() => SafetensorsSet.Open(index)).Message;
        Assert.Contains("shard model-00002-of-00003.safetensors is missing", missing);
    }
}
