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

    [SkippableFact]
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

        // Another implementation finds every number again.
        Skip.If(
            Environment
                .GetEnvironmentVariable("PATH")!
                .Split(Path.PathSeparator)
                .All(p => !File.Exists(Path.Combine(p, "python3"))),
            "no python3"
        );
        var script = Path.Combine(SourceFiles.Root, "bench", "recompute.py");
        var (code, said) = Python(script, program["docs/tiny.json"]);
        Assert.True(code == 0, said);
        Assert.Matches("^[0-9]{3,} numbers, 0 differ", said);
        var wrong = File.ReadAllText(program["docs/tiny.json"])
            .Replace("\"gait\":{\"mean\":0.", "\"gait\":{\"mean\":1.");
        File.WriteAllText(program["docs/wrong.json"], wrong);
        (code, said) = Python(script, program["docs/wrong.json"]);
        Assert.True(code == 1, said);
        Assert.Contains("gait, mean: printed 1.", said);
    }

    private static (int Code, string Said) Python(params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("python3", arguments) { RedirectStandardOutput = true }
        )!;
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, said);
    }
}
