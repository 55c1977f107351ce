using System.Diagnostics;
using System.Security.Cryptography;

namespace LongTake.Tests.Cli;

/// <summary>The tiny recipe through the command line, in a process that is stopped at bad moments.</summary>
public sealed class KillTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private Process Train(string run, params string[] more)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "LongTake.Cli.dll"), "train", Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"),
                "--set", $"out={Path.Combine(root, run)}", .. more])
        { RedirectStandardError = true, RedirectStandardOutput = true };
        var process = Process.Start(start)!;
        process.BeginOutputReadLine();
        return process;
    }

    /// <summary>Runs to the end; how many milliseconds that took.</summary>
    private long Finish(string run, params string[] more)
    {
        var clock = Stopwatch.StartNew();
        using var process = Train(run, more);
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
        return clock.ElapsedMilliseconds;
    }

    /// <summary>The hash of every weight file of every stage's model.</summary>
    private SortedDictionary<string, string> Hashes(string run)
    {
        var folder = Path.Combine(root, run);
        return new(Directory.EnumerateFiles(folder, "*.safetensors", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "model")
            .ToDictionary(f => Path.GetRelativePath(folder, f), f => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))));
    }

    [Fact]
    public void ARunKilledTenTimesOrInterruptedEndsWithTheBytesOfTheUnbrokenOne()
    {
        var whole = Finish("unbroken");
        var unbroken = Hashes("unbroken");
        Assert.Contains(Path.Combine("mmm", "model", "student.safetensors"), unbroken.Keys);
        Assert.Equal(12, unbroken.Count);   // vae 4 times, text and teacher 3 times, transformer, student

        var start = Finish("none", "--dry-run");
        var (random, killed) = (new Random(), 0);
        var delays = Enumerable.Range(0, 10).Select(_ => (int)(start * 0.7 + random.NextDouble() * 2.2 * (whole - start) / 10)).ToArray();
        foreach (var delay in delays)
        {
            using var process = Train("killed");
            if (process.WaitForExit(delay)) continue;
            process.Kill();   // SIGKILL
            process.WaitForExit();
            killed++;
        }
        Finish("killed");
        Assert.True(killed >= 5, $"only {killed} of ten runs could be killed");
        Assert.True(unbroken.SequenceEqual(Hashes("killed")), $"other bytes after kills at {string.Join(' ', delays)} ms of {whole} (start {start})");

        Interrupt("interrupted");
        Finish("interrupted");
        Assert.Equal(unbroken, Hashes("interrupted"));
    }

    /// <summary>Ctrl-C once the second stage trains: a state is saved and the exit code is 130.</summary>
    private void Interrupt(string run)
    {
        using var process = Train(run);
        var log = Path.Combine(root, run, "teacher", "log.jsonl");
        while (!process.HasExited && !(File.Exists(log) && new FileInfo(log).Length > 0)) Thread.Sleep(2);
        using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"])) kill.WaitForExit();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 130, $"exit code {process.ExitCode}: {errors}");
        Assert.Contains("stopping at the next safe point", errors);
        Assert.Contains("stopped and saved after", errors);
        Assert.NotEmpty(Directory.GetDirectories(Path.Combine(root, run, "teacher", "checkpoints"), "step-*"));
    }
}
