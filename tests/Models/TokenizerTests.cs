using System.Text.Json;
using LongTake.Models.Text;

namespace LongTake.Tests.Models;

public class TokenizerTests
{
    [SkippableFact]
    public void CleansAllTextsAsTheReferenceDoes()
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.File("text_clean.json")));
        var cases = json.RootElement.GetProperty("cases").EnumerateArray().ToList();
        string[] knownGaps = []; // texts of the fixture that are cleaned differently; empty: all 30 agree
        var differing = cases
            .Where(c =>
                TextCleaning.Clean(c.GetProperty("text").GetString()!) != c.GetProperty("whitespace").GetString()
            )
            .Select(c => c.GetProperty("text").GetString()!)
            .ToArray();
        Assert.Equal(30, cases.Count);
        Assert.Equal(knownGaps, differing);
    }

    [Theory]
    // names, loose names, numbers
    [InlineData("a &copy b &notit; &hellip; &Hat; &#150; &#x0; &#1;|", "a © b ¬it; … ^ – � |")]
    // with a tag: only the two last passes
    [InlineData("<b> &amp;amp; x", "<b> & x")]
    [InlineData("BUNDESSTRA&SZLIG;E &nTILDE;", "BUNDESSTRASSE &nTILDE;")]
    [InlineData("a\u0323\u0307 \u212B \uFF76\uFF9E \uFFE6", "\u1EA1\u0307 Å ガ ₩")] // composed, singleton, half width
    [InlineData("\u1112\u1161\u11AB \u0344", "한 \u0308\u0301")]
    // mojibake beside right characters
    [InlineData("über â€œnaÃ¯veâ€\u009D", "über \"naïve\"")]
    [InlineData("CAFÉ™ Ålesund £5 naïve 20°", "CAFÉ™ Ålesund £5 naïve 20°")] // and none at all
    [InlineData("𝒥 \U0001F600", "𝒥 \U0001F600")]
    public void CleansWhatTheFixtureDoesNotShow(string text, string cleaned) =>
        Assert.Equal(cleaned, TextCleaning.Clean(text));

    [Fact]
    public void ALoneSurrogateBecomesTheReplacementCharacter() =>
        Assert.Equal("lone \uFFFD end", TextCleaning.Clean("lone \uD800 end"));

    [Fact]
    public void MojibakeOfOtherCodePagesIsAKnownGap()
    {
        Assert.Equal("РїСЂРёРІРµС'", TextCleaning.Clean("РїСЂРёРІРµС‚")); // Windows-1251; ftfy gives "привет"
        Assert.Equal("voilÃ le " + "travail", TextCleaning.Clean("voilÃ le " + "travail")); // a lost byte; ftfy gives "voilà le travail"
    }

    [SkippableTheory]
    [InlineData("spm_nfkc")]
    [InlineData("spm_bytefallback")]
    public void RowsAreExactlyTheReferences(string name)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(Fixtures.File("sentencepiece.json")));
        var model = Vocabulary.Open(Fixtures.File(name + ".model"));
        var tokenizer = new Tokenizer(model, 40, clean: false);
        foreach (
            var c in json.RootElement.GetProperty("models").GetProperty(name).GetProperty("cases").EnumerateArray()
        )
        {
            var row = tokenizer.Row(c.GetProperty("text").GetString()!);
            Assert.Equal(c.GetProperty("ids_eos_padded_40").EnumerateArray().Select(v => v.GetInt64()), row.Ids);
            Assert.Equal(c.GetProperty("mask_40").EnumerateArray().Select(v => v.GetInt64()), row.Mask);
        }
    }

    [SkippableFact]
    public void SeveralTextsMakeOneTensor()
    {
        var model = Vocabulary.Open(Fixtures.File("spm_nfkc.model"));
        using var scope = torch.NewDisposeScope();
        var (ids, mask) = new Tokenizer(model, 8).Encode("a", " A cat&nbsp;walks in the snow and on and on. ");
        Assert.Equal([2, 8], ids.shape);
        Assert.Equal([1L, 1, 0, 0, 0, 0, 0, 0], mask[0].ToArray<long>());
        Assert.Equal(1, ids[1][7].ToDouble());
    }
}
