using System.Diagnostics;
using LongTake.Models;

namespace LongTake.Tests.Cli;

/// <summary>Takes through the command line, in processes that are killed at any moment.</summary>
public sealed class TakeKillTests : IDisposable
{
    private readonly CommandLine program = new();
    private readonly TinyModel tiny;

    public TakeKillTests()
    {
        tiny = TinyModel.Of(c => c with { FewSteps = [1000, 900, 800, 700, 600, 500] });
        using var weights = tiny.Student(1);
        tiny.Folder.Save(ModelFolder.Student, weights);
    }

    public void Dispose()
    {
        tiny.Dispose();
        program.Dispose();
    }

    private string[][] Commands(string take) =>
        [
            ["generate", "place 1", "--model", tiny.Folder.Path, "--seconds", "1.5", "-o", take],
            ["take", "extend", take, "--model", tiny.Folder.Path, "--seconds", "9"],
            ["take", "remake", take, "--model", tiny.Folder.Path, "--from", "2", "--to", "4", "-p", "place 2"],
        ];

    [Fact]
    public void CommandsThatAreKilledAnywhereEndWithTheBytesOfUnbrokenOnes()
    {
        var times = new List<TimeSpan>();
        foreach (var command in Commands("whole.take"))
        {
            var clock = Stopwatch.StartNew();
            Finish(command);
            times.Add(clock.Elapsed);
        }
        var expected = Files("whole.take");
        Assert.True(expected.Count >= 5);
        var (random, killed, round) = (new Random(), 0, 0);
        var (kills, where) = (Soak.Of(2, 100), new List<string>());
        while (killed < kills)
        {
            var take = $"killed-{round++}.take";
            foreach (var (i, command) in Commands(take).Index())
            {
                // the first half of a process is its start
                for (var again = random.Next(3); again > 0 || (killed < kills && random.Next(2) == 0); again--)
                {
                    using var child = program.Start(command);
                    _ = child.StandardOutput.ReadToEndAsync();
                    _ = child.StandardError.ReadToEndAsync();
                    var pause = times[i] * (.4 + .7 * random.NextDouble());
                    if (child.WaitForExit(pause))
                        goto done;
                    child.Kill(); // SIGKILL
                    child.WaitForExit();
                    killed++;
                    where.Add($"{command[0]} {command[1]} at {pause.TotalSeconds:0.00} s");
                    if (Directory.Exists(program[take]) && File.Exists(Path.Combine(program[take], "take.json")))
                        Assert.Equal(0, program.Run("take", "verify", take).Code);
                    if (IsDone(take, i))
                        goto done;
                }
                Finish(command);
                done:
                Assert.True(IsDone(take, i), $"{command[1]} of {take} is not done");
            }
            Assert.True(expected.SequenceEqual(Files(take)), $"other bytes after kills: {string.Join(", ", where)}");
        }
        if (Soak.Full)
            Console.WriteLine($"takes: {killed} kills in {round} takes, the same bytes after them");
    }

    // In the document, and nothing left to do.
    private bool IsDone(string take, int operation)
    {
        var folder = program[take];
        if (!File.Exists(Path.Combine(folder, "take.json")))
            return false;
        using var opened = LongTake.Takes.Take.Open(folder);
        return opened.Document.Operations.Count > operation && opened.Unfinished.Count == 0;
    }

    private void Finish(string[] command)
    {
        var ran = program.Run(command);
        Assert.True(ran.Code == 0, ran.Out + ran.Error);
    }

    private SortedDictionary<string, string> Files(string take) =>
        new(
            Directory
                .EnumerateFiles(program[take], "*", SearchOption.AllDirectories)
                .ToDictionary(
                    f => Path.GetRelativePath(program[take], f),
                    f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))
                )
        );
}
