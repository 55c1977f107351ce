using LongTake.Generation;

namespace LongTake.Tests.Generation;

public sealed class PromptFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-").FullName;
    private static readonly VideoRequest shared = new()
    {
        Prompt = "",
        Seconds = 9,
        Steps = 4,
        Seed = 1,
    };

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private IReadOnlyList<PromptRow> Read(string name, string text)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return PromptFile.Read(path, shared);
    }

    [Fact]
    public void A_text_has_a_prompt_a_line()
    {
        var rows = Read("a.txt", "one\r\n\n  two, \"quoted\"  \n");
        Assert.Equal([(1, "one"), (3, "two, \"quoted\"")], rows.Select(r => (r.Line, r.Request.Prompt)));
        Assert.All(rows, r => Assert.Equal((9.0, 4, 1L), (r.Request.Seconds, r.Request.Steps, r.Request.Seed)));
    }

    [Fact]
    public void Rows_go_over_what_all_share()
    {
        var expected = new[] { ("x", "one, two", 5L, (double?)2.5, (int?)null), (null, "three", 1L, null, 81) };
        var csv = Read("a.csv", "name,prompt,seed,seconds,frames\nx,\"one, two\",5,2.5,\n,three,,,81\n");
        var tsv = Read("a.tsv", "name\tprompt\tseed\tseconds\tframes\nx\tone, two\t5\t2.5\t\n\tthree\t\t\t81\n");
        var json = Read(
            "a.jsonl",
            """
            {"name": "x", "prompt": "one, two", "seed": 5, "seconds": 2.5}

            {"prompt": "three", "frames": 81}
            """
        );
        foreach (var rows in (IReadOnlyList<PromptRow>[])[csv, tsv, json])
            Assert.Equal(
                expected,
                rows.Select(r => (r.Name, r.Request.Prompt, r.Request.Seed!.Value, r.Request.Seconds, r.Request.Frames))
            );
    }

    [Theory]
    [InlineData("a.txt", "\n\n", "no prompt in it")]
    [InlineData("a.doc", "x", ".txt, .csv, .tsv and .jsonl")]
    [InlineData("a.csv", "prompt,seed\na,1,2\n", "line 2: 3 fields, the first line names 2")]
    [InlineData("a.csv", "prompt,prompt\na,b\n", "'prompt' is there twice")]
    [InlineData("a.csv", "prompt,seconds\na,\"2,5\"\n", "line 2: seconds '2,5': a number is expected")]
    [InlineData("a.csv", "prompt,seed\na,1.5\n", "line 2: seed 1.5: not a value of seed")]
    [InlineData("a.csv", "prompt,width\na,64\n", "line 2: 'width': a row may have name, prompt")]
    [InlineData("a.csv", "prompt,seed\na \"b\",1\n", "quotation mark")]
    [InlineData("a.csv", "prompt,seed\n,1\n", "line 2: no prompt")]
    [InlineData("a.csv", "prompt\n\"a\nb\n", "quotation mark")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\", \"prompt\": \"b\"}", "line 1: not JSON")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\"}\n[1]\n", "line 2: an object is expected")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\"\n", "line 1: not JSON")]
    [InlineData("a.jsonl", "{\"prompt\": 5}", "line 1: prompt 5: not a value of prompt")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\", \"seed\": \"5\"}", "line 1: seed \"5\": not a value of seed")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\", \"name\": \"../b\"}", "name '../b': not the name of a file")]
    [InlineData("a.jsonl", "{\"prompt\": \"a\", \"name\": \".b\"}", "name '.b': not the name of a file")]
    [InlineData("a.csv", "name,prompt\nx,a\ny,b\nx,c\n", "lines 2 and 4 have the same name 'x'")]
    public void What_is_wrong_is_said_with_its_line(string name, string text, string said)
    {
        var e = Assert.Throws<UserException>(() => Read(name, text));
        Assert.Contains(said, e.Message);
        Assert.Contains(name, e.Message);
    }
}
