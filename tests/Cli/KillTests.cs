using System.Diagnostics;
using System.Security.Cryptography;

namespace LongTake.Tests.Cli;

/// <summary>The tiny recipe through the command line, in a process that is stopped at bad moments.</summary>
public sealed class KillTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public KillTests() => TinyRecipe.Write(Path.Combine(root, "tiny.json"));

    public void Dispose() => Directory.Delete(root, recursive: true);

    private Process Train(string run)
    {
        var start = new ProcessStartInfo(
            Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : "dotnet",
            [
                Path.Combine(AppContext.BaseDirectory, "LongTake.Cli.dll"),
                "train",
                Path.Combine(root, "tiny.json"),
                "--set",
                $"out={Path.Combine(root, run)}",
            ]
        )
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start)!;
        process.BeginOutputReadLine();
        return process;
    }

    private void Finish(string run)
    {
        using var process = Train(run);
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors);
    }

    /// <summary>The hash of every weight file of every stage's model.</summary>
    private SortedDictionary<string, string> Hashes(string run)
    {
        var folder = Path.Combine(root, run);
        return new(
            Directory
                .EnumerateFiles(folder, "*.safetensors", SearchOption.AllDirectories)
                .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "model")
                .ToDictionary(
                    f => Path.GetRelativePath(folder, f),
                    f => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(f)))
                )
        );
    }

    [Fact]
    public void ARunKilledManyTimesOrInterruptedEndsWithTheBytesOfTheUnbrokenOne()
    {
        Finish("unbroken");
        var unbroken = Hashes("unbroken");
        Assert.Contains(Path.Combine("mmm", "model", "student.safetensors"), unbroken.Keys);
        Assert.Equal(12, unbroken.Count); // vae 4 times, text and teacher 3 times, transformer, student

        var (random, killed, moments) = (new Random(), 0, new List<string>());
        var kills = Soak.Of(3, 100);
        for (var n = 0; n < kills; n++)
        {
            if (File.Exists(Path.Combine(root, "killed", "mmm", "done")) && killed < kills)
            {
                Assert.True(unbroken.SequenceEqual(Hashes("killed")), $"other bytes: {string.Join(", ", moments)}");
                Directory.Delete(Path.Combine(root, "killed"), recursive: true);
            }
            using var process = Train("killed");
            // after so many lines of log, or somewhere in the start
            var (lines, pause) = (random.Next(6), random.Next(60));
            if (lines == 0)
                Thread.Sleep(random.Next(1500));
            for (var seen = 0; seen < lines && !process.HasExited; Thread.Sleep(1))
                seen += Grown();
            if (process.WaitForExit(pause))
                continue;
            process.Kill(); // SIGKILL
            process.WaitForExit();
            killed++;
            moments.Add($"{lines} lines and {pause} ms");
        }
        Finish("killed");
        Assert.True(killed >= kills * 2 / 3, $"only {killed} of {kills} runs could be killed");
        if (Soak.Full)
            Console.WriteLine($"run folder: {killed} kills, the same models after them");
        Assert.True(
            unbroken.SequenceEqual(Hashes("killed")),
            $"other bytes after kills at {string.Join(", ", moments)}"
        );

        Interrupt("interrupted", "INT", "teacher");
        Interrupt("interrupted", "HUP", "longsft"); // a closed terminal
        Finish("interrupted");
        Assert.Equal(unbroken, Hashes("interrupted"));
    }

    private long before;

    /// <summary>1 when the logs of the killed run have grown since the last look.</summary>
    private int Grown()
    {
        var now = Directory.Exists(Path.Combine(root, "killed"))
            ? Directory
                .GetFiles(Path.Combine(root, "killed"), "log.jsonl", SearchOption.AllDirectories)
                .Sum(f => new FileInfo(f).Length)
            : 0;
        var grown = now > before ? 1 : 0;
        before = now;
        return grown;
    }

    /// <summary>A signal once a stage trains: a state is saved and the exit code is 130.</summary>
    private void Interrupt(string run, string signal, string stage)
    {
        using var process = Train(run);
        var log = Path.Combine(root, run, stage, "log.jsonl");
        while (!process.HasExited && !(File.Exists(log) && new FileInfo(log).Length > 0))
            Thread.Sleep(2);
        using (var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
            kill.WaitForExit();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 130, $"exit code {process.ExitCode}: {errors}");
        Assert.Contains("stopping at the next safe point", errors);
        Assert.Contains("stopped and saved after", errors);
        Assert.NotEmpty(Directory.GetDirectories(Path.Combine(root, run, stage, "checkpoints"), "step-*"));
    }
}
