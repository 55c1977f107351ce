using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using LongTake.Data;
using LongTake.Tests.Cli;

namespace LongTake.Tests.Data;

/// <summary>One set, several processes, and processes that die.</summary>
public sealed class SharedSetTests : IDisposable
{
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    private Process Start(string set) =>
        program.Start("data", "ingest", "videos", "-o", set, "--model", "model", "--jobs", "1", "--json");

    private static string Output(Process process)
    {
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output;
    }

    // All that a set is: the list, the latents, the report.
    private Dictionary<string, string> Hashes(string set) =>
        Directory
            .EnumerateFiles(program[set], "*", SearchOption.AllDirectories)
            .Where(f =>
                !f.Contains("/claims/")
                && !f.Contains("/looked/")
                && !f.EndsWith("report.html", StringComparison.Ordinal)
                && !f.EndsWith("report.json", StringComparison.Ordinal)
            )
            .ToDictionary(
                f => Path.GetRelativePath(program[set], f),
                f => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))
            );

    [SkippableFact]
    public async Task TwoProcessesShareTheWorkAndKillsChangeNothing()
    {
        Videos.Folder(program, takes: 2);
        Videos.Model(program["model"]);
        using (var alone = Start("alone"))
            Output(alone);
        var expected = Hashes("alone");
        Assert.Equal(2 + 1 + 3, expected.Count); // data.json, videos.json, set.json, three shards

        // Two at once: the same set, each record written once, nothing left behind.
        using (
            Process a = Start("two"),
                b = Start("two")
        )
        {
            var (first, second) = (Task.Run(() => Output(a)), Task.Run(() => Output(b)));
            Assert.Equal(
                JsonDocument.Parse(await first).RootElement.GetProperty("hash").GetString(),
                JsonDocument.Parse(await second).RootElement.GetProperty("hash").GetString()
            );
        }
        Assert.Equal(expected, Hashes("two"));
        Assert.Equal(4, Directory.EnumerateFiles(program["two/looked"], "*.json", SearchOption.AllDirectories).Count());
        Assert.Empty(Directory.EnumerateFiles(program["two"], "*.tmp", SearchOption.AllDirectories));
        Assert.Empty(Directory.GetFiles(program["two/claims"]));

        // Killed at random moments, at most the item at work is lost: what was there before stays as it was.
        var random = new Random();
        for (var n = 0; n < Soak.Of(2, 100); n++)
        {
            if (Soak.Full && Directory.Exists(program["killed"]) && Hashes("killed").Count == expected.Count)
            {
                Assert.Equal(expected, Hashes("killed"));
                Directory.Delete(program["killed"], recursive: true);
            }
            var before = Directory.Exists(program["killed"]) ? Records() : [];
            using var process = Start("killed");
            process.WaitForExit(TimeSpan.FromMilliseconds(600 + random.Next(1500)));
            process.Kill(); // SIGKILL
            process.WaitForExit();
            Assert.All(before, r => Assert.Equal(r.Value, Records().GetValueOrDefault(r.Key)));
        }
        Directory.CreateDirectory(program["killed"]); // on a slow machine all may have been killed before they began
        // What the killed left unfinished is cleared away once it is old enough not to be a living process's.
        foreach (var left in Directory.EnumerateFiles(program["killed"], ".*.tmp", SearchOption.AllDirectories))
            File.SetLastWriteTimeUtc(left, DateTime.UtcNow - AtomicFile.Unfinished - TimeSpan.FromMinutes(1));
        File.WriteAllText(program["killed/.report.json.living.tmp"], "");
        using (var last = Start("killed"))
            Output(last);
        Assert.Equal(
            [program["killed/.report.json.living.tmp"]],
            Directory.GetFiles(program["killed"], ".*.tmp", SearchOption.AllDirectories)
        );
        File.Delete(program["killed/.report.json.living.tmp"]);
        Assert.Equal(expected, Hashes("killed"));
    }

    private Dictionary<string, DateTime> Records() =>
        Directory
            .EnumerateFiles(program["killed"], "*", SearchOption.AllDirectories)
            .Where(f =>
                f.Contains("/looked/")
                && f.EndsWith(".json", StringComparison.Ordinal)
                && !Path.GetFileName(f).StartsWith('.')
            )
            .ToDictionary(f => f, File.GetLastWriteTimeUtc);
}
