using LongTake.Models.Text;

namespace LongTake.Tests.Models;

public sealed class WordVocabularyTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();

    public void Dispose() => File.Delete(file);

    [Fact]
    public void WordsAreCountedKeptAndReadAgain()
    {
        string[] captions = ["Forest, noon: a red-haired traveller's walk.", "a red tower", "a red barn at noon."];
        var made = WordVocabulary.Train(captions, 128);
        Assert.Equal((0, 1, 2), (made.Pad, made.Eos, made.Unknown));
        Assert.Equal([3], made.Encode("a")); // the most frequent
        foreach (var caption in captions)
            Assert.Equal(caption, made.Decode(made.Encode(caption)));
        Assert.Equal([3, 2, 2], made.Encode(" a \n Blue  A")); // unknown; and capitals are not small letters
        made.Save(file);
        var read = Assert.IsType<WordVocabulary>(Vocabulary.Open(file));
        Assert.Equal(made.Count, read.Count);
        foreach (var caption in captions)
            Assert.Equal(made.Encode(caption), read.Encode(caption));
        Assert.IsType<WordVocabulary>(Vocabulary.Read(File.ReadAllBytes(file)));
    }

    [Fact]
    public void OnlyTheMostFrequentFit()
    {
        var made = WordVocabulary.Train(["b b b a a c"], 5);
        Assert.Equal(5, made.Count);
        Assert.Equal([3, 4, 2], made.Encode("b a c"));
    }

    [Fact]
    public void EmptyTextsAndTextsOfSpecialNamesAreNoSpecialIds()
    {
        var made = WordVocabulary.Train(["<pad> </s>", ""], 64);
        Assert.Empty(made.Encode(" \t"));
        Assert.All(made.Encode("<pad></s>"), id => Assert.True(id > 2));
    }

    [SkippableFact]
    public void AFileTellsItsKind()
    {
        Assert.IsType<SentencePiece>(Vocabulary.Open(Fixtures.File("spm_nfkc.model")));
        Assert.Contains("not found", Assert.Throws<UserException>(() => Vocabulary.Open("no such")).Message);
    }

    [Theory]
    [InlineData("LongTake word vocabulary 2\na\n", "a newer LongTake")]
    [InlineData("LongTake word vocabulary 1\na\nb", "cut short")]
    [InlineData("LongTake word vocabulary 1\na\na\n", "twice")]
    [InlineData("LongTake word vocabulary 1\na b\n", "line 2")]
    [InlineData("LongTake word vocabulary 1\na\n\n", "line 3")]
    [InlineData("a\nb\n", "cannot be read as a SentencePiece model")]
    public void MistakesAreExplained(string text, string message)
    {
        File.WriteAllText(file, text);
        Assert.Contains(message, Assert.Throws<UserException>(() => Vocabulary.Open(file)).Message);
    }
}
