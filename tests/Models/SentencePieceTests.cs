using System.Text;
using System.Text.Json;
using LongTake.Models.Text;

namespace LongTake.Tests.Models;

public class SentencePieceTests
{
    [SkippableTheory]
    [InlineData("spm_nfkc")]
    [InlineData("spm_bytefallback")]
    public void IdsAndTextsAreExactlyTheReferences(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.File("sentencepiece.json")));
        var model = new SentencePiece(Fixtures.File(name + ".model"));
        var reference = json.RootElement.GetProperty("models").GetProperty(name);
        Assert.Equal(reference.GetProperty("size").GetInt32(), model.Count);
        Assert.Equal((0, 1, 2), (model.Pad, model.Eos, model.Unknown));
        foreach (var c in reference.GetProperty("cases").EnumerateArray())
        {
            var ids = c.GetProperty("ids").EnumerateArray().Select(v => v.GetInt32()).ToArray();
            Assert.Equal(ids, model.Encode(c.GetProperty("text").GetString()!));
            Assert.Equal(c.GetProperty("decoded").GetString(), model.Decode(ids));
        }
    }

    [SkippableTheory]
    [InlineData("spm_nfkc")]
    [InlineData("spm_bytefallback")]
    public void RowsAreExactlyTheReferences(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.File("sentencepiece.json")));
        var tokenizer = new Tokenizer(new SentencePiece(Fixtures.File(name + ".model")), 40, clean: false);
        foreach (
            var c in json.RootElement.GetProperty("models").GetProperty(name).GetProperty("cases").EnumerateArray()
        )
        {
            var row = tokenizer.Row(c.GetProperty("text").GetString()!);
            Assert.Equal(c.GetProperty("ids_eos_padded_40").EnumerateArray().Select(v => v.GetInt64()), row.Ids);
            Assert.Equal(c.GetProperty("mask_40").EnumerateArray().Select(v => v.GetInt64()), row.Mask);
        }
    }

    [Fact]
    public void UserDefinedPiecesStayWholeAndControlPiecesAreNoText()
    {
        var model = SentencePiece.Read(
            new ModelFile()
                .Add("<pad>", 3)
                .Add("</s>", 3)
                .Add("<unk>", 2)
                .Add("▁", 1, -2)
                .Add("a", 1, -3)
                .Add("b", 1, -3)
                .Add("<shot>", 4)
                .Add("▁ab", 5, 0)
                .Bytes()
        );
        Assert.Equal([3, 4, 6, 5], model.Encode("a<shot>b"));
        Assert.Equal([3, 4, 5], model.Encode("  ab ")); // the piece of both is unused
        Assert.Equal([3, 2, 4], model.Encode("</s>a")); // signs, all unknown: no control piece
        Assert.Equal("a<shot>b", model.Decode([0, 3, 4, 6, 5, 1]));
        Assert.Equal(" \u2047 a", model.Decode([2, 4]));
        Assert.Equal((0, 1, 2, 8), (model.Pad, model.Eos, model.Unknown, model.Count));
        Assert.Empty(model.Encode(""));
        Assert.Empty(model.Encode("   "));
    }

    [Fact]
    public void SpacesStayWhereTheModelSaysSo()
    {
        var model = SentencePiece.Read(
            new ModelFile().Add("<unk>", 2).Add("▁", 1, -2).Add("a", 1, -3).Normaliser(3, 0).Normaliser(4, 0).Bytes()
        );
        Assert.Equal([1, 1, 2, 1], model.Encode("  a "));
        Assert.Equal("  a ", model.Decode([1, 1, 2, 1]));
        Assert.Equal((-1, -1), (model.Pad, model.Eos));
    }

    [Fact]
    public void MistakesAreExplained()
    {
        static string Refused(byte[] model) => Assert.Throws<UserException>(() => SentencePiece.Read(model)).Message;
        var whole = new ModelFile().Add("<unk>", 2).Add("a", 1);
        Assert.Contains("not found", Assert.Throws<UserException>(() => new SentencePiece("no such.model")).Message);
        Assert.Contains("cannot be read as a SentencePiece model", Refused("this is no model"u8.ToArray()));
        Assert.Contains("no pieces", Refused([]));
        Assert.Contains("BPE model", Refused(whole.Trainer(3, 2).Bytes()));
        Assert.Contains("cut short", Refused(whole.Bytes()[..^1]));
        Assert.Contains("what is unknown", Refused(new ModelFile().Add("a", 1).Bytes()));
        Assert.Contains("twice", Refused(new ModelFile().Add("<unk>", 2).Add("a", 1).Add("a", 1).Bytes()));
        Assert.Contains(
            "some are missing",
            Refused(new ModelFile().Add("<unk>", 2).Add("<0x00>", 6).Trainer(35, 1).Bytes())
        );
        Assert.Contains("no byte", Refused(new ModelFile().Add("<unk>", 2).Add("<0xzz>", 6).Bytes()));
        var model = SentencePiece.Read(new ModelFile().Add("<unk>", 2).Add("a", 1).Bytes());
        Assert.Contains("id 9999", Assert.Throws<ArgumentOutOfRangeException>(() => model.Decode([9999])).Message);
        Assert.Contains("id -1", Assert.Throws<ArgumentOutOfRangeException>(() => model.Decode([-1])).Message);
    }

    [SkippableTheory]
    [InlineData("spm_nfkc")]
    [InlineData("spm_bytefallback")]
    public void DamagedModelsAreRefusedOrEncodeSomething(string name)
    {
        var model = File.ReadAllBytes(Fixtures.File(name + ".model"));
        var random = new Random(3);
        var (refused, read) = (0, 0);
        for (var i = 0; i < 150; i++)
        {
            var broken = i % 5 == 4 ? model[..random.Next(model.Length)] : model.ToArray();
            // the table follows its name
            var map = broken.AsSpan().LastIndexOf("nmt_nfkc"u8) is var at and > 0 && i % 2 == 0 ? at : 0;
            for (var k = 0; k < 1 + i % 40 && broken.Length > 0; k++)
                broken[map + random.Next(broken.Length - map)] = (byte)random.Next(256);
            try
            {
                var damaged = SentencePiece.Read(broken);
                damaged.Decode(damaged.Encode("A cat walks — ﬁne, №5 ½ カﾞ 北京 \u0000 \uD800 <unk> </s>  über"));
                read++;
            }
            catch (UserException)
            {
                refused++;
            }
        }
        Assert.True(refused > 0 && read > 0, $"{refused} refused, {read} read");
    }

    // Writes the messages of a model by hand: few enough for all lengths to be one byte.
    private sealed class ModelFile
    {
        private readonly List<byte> pieces = [],
            trainer = [],
            normaliser = [];

        public ModelFile Add(string text, byte kind, float score = 0)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            Put(pieces, 1, [0x0a, (byte)bytes.Length, .. bytes, 0x15, .. BitConverter.GetBytes(score), 0x18, kind]);
            return this;
        }

        public ModelFile Trainer(int field, byte value) => With(trainer, field, value);

        public ModelFile Normaliser(int field, byte value) => With(normaliser, field, value);

        public byte[] Bytes()
        {
            var all = pieces.ToList();
            if (trainer.Count > 0)
                Put(all, 2, trainer);
            if (normaliser.Count > 0)
                Put(all, 3, normaliser);
            return [.. all];
        }

        private ModelFile With(List<byte> message, int field, byte value)
        {
            for (field <<= 3; field > 127; field >>= 7)
                message.Add((byte)(field | 128));
            message.AddRange([(byte)field, value]);
            return this;
        }

        private static void Put(List<byte> to, int field, IReadOnlyCollection<byte> message) =>
            to.AddRange([(byte)(field << 3 | 2), (byte)message.Count, .. message]);
    }
}
