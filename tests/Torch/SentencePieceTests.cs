using System.Text.Json;

namespace LongTake.Tests.Torch;

public class SentencePieceTests
{
    [SkippableTheory]
    [InlineData("spm_nfkc")]
    [InlineData("spm_bytefallback")]
    public void IdsAndTextsAreExactlyTheReferences(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.File("sentencepiece.json")));
        using var model = new SentencePiece(Fixtures.File(name + ".model"));
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

    [Fact]
    public void ATinyModelTrainsOnCaptionsAndRoundTripsThem()
    {
        var folder = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            var captions = Captions().ToArray();
            File.WriteAllLines(Path.Combine(folder, "captions, all.txt"), captions);
            SentencePiece.Train(Path.Combine(folder, "captions, all.txt"), 128, Path.Combine(folder, "tiny"));
            using var model = new SentencePiece(Path.Combine(folder, "tiny.model"));
            Assert.InRange(model.Count, 40, 128);   // whole words suffice for so few: fewer pieces than asked for
            Assert.Equal((0, 1, 2), (model.Pad, model.Eos, model.Unknown));
            foreach (var caption in captions)
            {
                var ids = model.Encode(caption);
                Assert.DoesNotContain(model.Unknown, ids);
                Assert.Equal(caption, model.Decode(ids));
            }
        }
        finally { Directory.Delete(folder, recursive: true); }
    }

    private static IEnumerable<string> Captions()
    {
        string[] colours = ["red", "blue", "green", "yellow"], places = ["forest", "desert", "shore", "town", "meadow"];
        string[] things = ["lighthouse", "windmill", "barn", "tower", "bridge"], hours = ["noon", "dawn", "dusk", "night"];
        var random = new Rng(1);
        for (var i = 0; i < 100; i++)
        {
            var place = $"{places[random.Int(5)]}, {hours[random.Int(4)]}";
            yield return i % 2 == 0 ? place :
                $"{place}: a traveller in a {colours[random.Int(4)]} coat and a top hat walks past a {colours[random.Int(4)]} {things[random.Int(5)]}";
        }
    }

    [Fact]
    public void MistakesAreExplained()
    {
        Assert.Contains("not found", Assert.Throws<UserException>(() => new SentencePiece("no such.model")).Message);
        Assert.Contains("not found", Assert.Throws<UserException>(() => SentencePiece.Train("no such.txt", 100, "out")).Message);
        var file = Path.GetTempFileName();
        File.WriteAllText(file, "this is no model");
        Assert.Contains("cannot be read as a SentencePiece model", Assert.Throws<UserException>(() => new SentencePiece(file)).Message);
        File.Delete(file);
    }

    [SkippableFact]
    public void AnIdOutsideTheModelIsAnErrorAndSoIsUseAfterTheEnd()
    {
        var model = new SentencePiece(Fixtures.File("spm_nfkc.model"));
        Assert.Contains("id 9999", Assert.Throws<TorchException>(() => model.Decode([9999])).Message);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.Encode("a"));
    }
}
