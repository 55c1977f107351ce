using System.Text.Json.Nodes;

namespace LongTake.Tests.Cli;

/// <summary>World 2 from nothing to a table, through the command line.</summary>
public sealed class JourneyTableTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    private (int Code, string Out, string Error) Reproduce(params string[] more)
    {
        var ran = program.Run([
            "reproduce",
            Path.Combine(AppContext.BaseDirectory, "assets", "tiny-journey-table.json"),
            "--set",
            "out=runs",
            "--set",
            "report=docs/tiny",
            "--jobs",
            "1",
            .. more,
        ]);
        return (ran.Code, ran.Out, ran.Error);
    }

    [Fact]
    public void WorldTwoTrainsMakesVideosAndIsMeasured()
    {
        var ran = Reproduce();
        Assert.True(ran.Code == 0, ran.Error + ran.Out);
        var report = JsonNode.Parse(File.ReadAllText(program["docs/tiny.json"]))!;
        var rows = report["rows"]!.AsArray();
        Assert.Equal(["real takes (autoencoded)", "MMM", "teacher"], rows.Select(r => (string)r!["name"]!));
        var real = rows[0]!["metrics"]!.AsObject();
        foreach (var name in (string[])["FDt", "FDr", "gait", "scroll", "hour", "company", "coat", "road"])
            Assert.True(real.ContainsKey(name), name);
        Assert.InRange((double)real["hour"]!["mean"]!, 0, .1);
        Assert.False(real.ContainsKey("story"), "a metric of the other world");
        var page = File.ReadAllText(program["docs/tiny.md"]);
        Assert.Contains("## Primary end points", page);
        Assert.Contains("| chance |", page);
        Assert.Contains((string)report["build"]!, page);

        // A result of another build is neither gone on with nor reported.
        var build = Directory.EnumerateFiles(program["runs"], "build", SearchOption.AllDirectories).Order().First();
        File.WriteAllText(build, "0123456789ab");
        ran = Reproduce();
        Assert.NotEqual(0, ran.Code);
        Assert.Contains("0123456789ab", ran.Out + ran.Error);
    }
}
