using System.Diagnostics;
using System.Text.Json.Nodes;

namespace LongTake.Tests.Cli;

/// <summary>The tiny table through the command line, killed at bad moments.</summary>
public sealed class ReproduceTests : IDisposable
{
    private readonly CommandLine program = new();

    public ReproduceTests()
    {
        TinyRecipe.Write(program["tiny.json"]);
        File.Copy(Path.Combine(AppContext.BaseDirectory, "assets", "tiny-table.json"), program["tiny-table.json"]);
    }

    public void Dispose() => program.Dispose();

    private Process Start(string folder) =>
        program.Start(
            "reproduce",
            "tiny-table.json",
            "--set",
            $"out={folder}/runs",
            "--set",
            $"report={folder}/docs/results/tiny",
            "--set",
            $"page={folder}/docs/results.md",
            "--jobs",
            "2"
        );

    private void Finish(string folder)
    {
        using var process = Start(folder);
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 1, errors + output.Result); // for the one row that cannot be trained
        Assert.Contains("Failed: bad: mmm: ", output.Result);
        Assert.Contains("training collapsed", output.Result);
        Assert.Contains("**Not made:** bad.", File.ReadAllText(program[$"{folder}/docs/results/tiny.md"]));
    }

    /// <summary>The report without what time it took and where.</summary>
    private JsonNode Numbers(string folder)
    {
        var report = JsonNode.Parse(File.ReadAllText(program[$"{folder}/docs/results/tiny.json"]))!;
        Assert.Equal(["bad"], report["missing"]!.AsObject().Select(m => m.Key));
        ((JsonObject)report).Remove("missing");
        foreach (var row in report["rows"]!.AsArray())
            ((JsonObject)row!).Remove("cost");
        return report;
    }

    /// <summary>Stages that are done and videos that are measured.</summary>
    private int Got(string folder) =>
        !Directory.Exists(program[$"{folder}/runs"])
            ? 0
            : Directory
                .EnumerateFiles(program[$"{folder}/runs"], "*", SearchOption.AllDirectories)
                .Count(f =>
                    Path.GetFileName(f) is "done" || Path.GetFileName(f).StartsWith("video-", StringComparison.Ordinal)
                );

    /// <summary>Encoding and videos do not shrink with the steps: a budget below them is refused.</summary>
    [Theory]
    [InlineData("2", 2, "alone take about")]
    [InlineData("400", 0, "steps times 0.")]
    [InlineData("100000", 0, "hours left")]
    public void ABudgetCountsWhatDoesNotShrink(string minutes, int code, string said)
    {
        var table = Path.Combine(SourceFiles.Root, "recipes", "mini", "table.json");
        var ran = program.Run("reproduce", table, "--jobs", "2", "--budget", minutes, "--dry-run");
        Assert.Equal(code, ran.Code);
        Assert.Contains(said, ran.Out + ran.Error);
        Assert.Equal(minutes == "400", ran.Out.Contains("steps times"));
    }

    [Fact]
    public void AKilledTableHasTheNumbersOfTheUnbrokenOne()
    {
        Finish("unbroken");
        var unbroken = Numbers("unbroken");
        var rows = unbroken["rows"]!.AsArray();
        Assert.Equal(["real takes (autoencoded)", "MMM", "teacher"], rows.Select(r => (string)r!["name"]!));
        Assert.Equal(["FDt", "gait"], rows[2]!["primary"]!.AsObject().Select(e => e.Key));
        Assert.Empty(rows[1]!["primary"]!.AsObject());
        Assert.NotEmpty((string)unbroken["build"]!);
        Assert.Equal(2, rows[1]!["metrics"]!["FDt"]!["seeds"]!.AsArray().Count); // by training seed
        Assert.NotEqual((string)rows[1]!["origins"]![0]!["weights"]!, (string)rows[1]!["origins"]![1]!["weights"]!);
        Assert.NotNull(rows[1]!["lens"]);
        Assert.NotNull(rows[2]!["differences"]!["scroll"]);
        foreach (var moment in Soak.Full ? (int[])[1, 3, 8] : [3])
        {
            using var process = Start("killed");
            var ended = process.StandardOutput.ReadToEndAsync();
            _ = process.StandardError.ReadToEndAsync();
            while (!process.HasExited && Got("killed") < moment)
                Thread.Sleep(5);
            Assert.False(process.HasExited, "it was done before it could be killed");
            process.Kill(); // SIGKILL, of the parent alone: the children must end by themselves
            process.WaitForExit();
        }
        Finish("killed");
        Assert.Equal(unbroken.ToJsonString(), Numbers("killed").ToJsonString());
        foreach (var picture in (string[])["drift", "bars", "tradeoff"])
            Assert.Equal(
                File.ReadAllBytes(program[$"unbroken/docs/results/tiny-{picture}.png"]),
                File.ReadAllBytes(program[$"killed/docs/results/tiny-{picture}.png"])
            );
        Discussion();
    }

    /// <summary>What somebody wrote around the generated part stays; the part is renewed by one command.</summary>
    private void Discussion()
    {
        var page = program["killed/docs/results.md"];
        var made = File.ReadAllText(page);
        var edited =
            "# Results\n\nOurs above.\n\n"
            + made[made.IndexOf("<!-- tiny", StringComparison.Ordinal)..].Replace("real takes", "spoilt")
            + "\nOurs below.\n";
        File.WriteAllText(page, edited);
        var ran = program.Run(
            "reproduce",
            "tiny-table.json",
            "--page",
            "--set",
            "report=killed/docs/results/tiny",
            "--set",
            "page=killed/docs/results.md"
        );
        Assert.True(ran.Code == 0, ran.Error);
        Assert.Equal(edited.Replace("spoilt", "real takes"), File.ReadAllText(page));
    }
}
