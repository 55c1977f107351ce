using System.Diagnostics;

namespace LongTake.Tests.Cli;

/// <summary>Where results go: found out before the work, ended politely, one process at a time.</summary>
public sealed class OutputPlaceTests : IDisposable
{
    private static readonly string traveller = Path.Combine(SourceFiles.Root, "models", "traveller");
    private readonly CommandLine program = new();

    public void Dispose() => program.Dispose();

    [SkippableTheory]
    [InlineData("folder.mp4: is a folder", "generate", "a traveller", "--model", "MODEL", "-o", "folder.mp4")]
    [InlineData("/proc/demo/sheet.png: cannot be written", "demo", "--model", "MODEL", "-o", "/proc/demo")]
    [InlineData("~/wan: '~' is a home folder", "convert", "MODEL", "--to", "wan", "-o", "~/wan")]
    [InlineData("file/set: ", "data", "ingest", "videos", "--model", "MODEL", "-o", "file/set")]
    [InlineData("/proc/eval: cannot be written", "eval", "world", "--model", "MODEL", "-o", "/proc/eval")]
    [InlineData("file: HERE/file is there and no folder", "reproduce", "TABLE", "--set", "out=file")]
    [InlineData("~/run: '~' is a home folder", "train", "RECIPE", "--set", "out=~/run")]
    public void APlaceThatCannotBeWrittenIsFoundOutBeforeTheWork(string why, params string[] arguments)
    {
        Skip.If(Video.Frames.NoFfmpeg() || !Directory.Exists("/proc"), "no ffmpeg or no /proc");
        Directory.CreateDirectory(program["folder.mp4"]);
        Directory.CreateDirectory(program["videos"]);
        program.Put("videos/a.mp4", "not looked at");
        program.Put("file", "");
        var ran = program.Run([
            .. arguments.Select(a =>
                a.Replace("HERE", program.Folder)
                    .Replace("MODEL", traveller)
                    .Replace("TABLE", Path.Combine(AppContext.BaseDirectory, "assets", "tiny-table.json"))
                    .Replace("RECIPE", Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json"))
            ),
        ]);
        Assert.True(ran.Code is 1 or 2, $"{ran.Code}: {ran.Out}{ran.Error}");
        Assert.StartsWith($"longtake: {why.Replace("HERE", program.Folder)}", ran.Error);
        Assert.Equal(
            ["file", "folder.mp4", "videos"],
            Directory.GetFileSystemEntries(program.Folder).Select(Path.GetFileName).Order(StringComparer.Ordinal)
        );
    }

    [SkippableTheory]
    [InlineData("HUP")]
    [InlineData("TERM")]
    public void AClosedTerminalCancelsAVideoAsAPoliteKillDoes(string signal)
    {
        Skip.If(Video.Frames.NoFfmpeg() || OperatingSystem.IsWindows(), "no ffmpeg or no signals");
        using var child = program.Start("generate", "-p", "a walk", "--model", traveller, "-o", "video.mp4");
        while (!child.HasExited && !File.Exists(program["video.part.mp4"]))
            Thread.Sleep(5);
        using (var kill = Process.Start("kill", [$"-{signal}", $"{child.Id}"]))
            kill.WaitForExit();
        Assert.Contains("cancelled; nothing is left behind", child.StandardError.ReadToEnd());
        child.WaitForExit();
        Assert.Equal(130, child.ExitCode);
        Assert.Empty(Directory.GetFileSystemEntries(program.Folder));
    }

    /// <summary>SIGKILL at random moments: under the video's name there is nothing, or all of it.</summary>
    [SkippableFact]
    public void AKilledVideoIsWholeOrNotThereAndTheNextOneIsNotHindered()
    {
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        string[] arguments = ["generate", "-p", "a walk", "--model", traveller, "--seconds", "2", "-o"];
        var clock = Stopwatch.StartNew();
        Assert.Equal(0, program.RunAnew([.. arguments, "unbroken.mp4"]).Code);
        var (expected, most) = (File.ReadAllBytes(program["unbroken.mp4"]), (int)clock.ElapsedMilliseconds);
        var (random, whole) = (new Random(), 0);
        for (var n = 0; n < Soak.Of(2, 100); n++)
        {
            using var child = program.Start([.. arguments, "video.mp4"]);
            child.WaitForExit(random.Next(most));
            child.Kill();
            child.WaitForExit();
            if (!File.Exists(program["video.mp4"]))
                continue;
            Assert.Equal(expected, File.ReadAllBytes(program["video.mp4"]));
            File.Delete(program["video.mp4"]);
            whole++;
        }
        Assert.Equal(0, program.Run([.. arguments, "video.mp4"]).Code);
        Assert.Equal(expected, File.ReadAllBytes(program["video.mp4"]));
        if (Soak.Full)
            Console.WriteLine($"a video: 100 kills, {whole} of them after its end, no other bytes");
    }

    [SkippableFact]
    public void TheLoserOfTwoProcessesSaysSoAndTheWinnersFilesAreWhole()
    {
        Skip.If(Video.Frames.NoFfmpeg(), "no ffmpeg");
        Process Start(string seed) =>
            program.Start("generate", "-p", "a walk", "--model", traveller, "--seed", seed, "-o", "video.mp4");
        using Process a = Start("1"),
            b = Start("2");
        var (first, second) = (a.StandardError.ReadToEndAsync(), b.StandardError.ReadToEndAsync());
        a.WaitForExit();
        b.WaitForExit();
        Assert.Equal([0, 1], ((int[])[a.ExitCode, b.ExitCode]).Order());
        Assert.Contains("video.mp4: another process is making it", a.ExitCode == 1 ? first.Result : second.Result);
        using var latents = SafetensorsSet.Open(program["video.mp4.latents.safetensors"]);
        var winner = a.ExitCode == 0 ? "1" : "2";
        Assert.Equal(winner, latents.Metadata["seed"]);
        Assert.Equal(winner, LongTake.Video.Probe.Tags(program["video.mp4"])["longtake_seed"]);
        Assert.Equal(2, Directory.GetFileSystemEntries(program.Folder).Length);
    }

    [SkippableFact]
    public void WithoutAHomeOrAnyoneToReadItsErrorsTheWorkIsDone()
    {
        Skip.If(Video.Frames.NoFfmpeg() || !File.Exists("/dev/full"), "no ffmpeg or no /dev/full");
        var start = new ProcessStartInfo(
            "sh",
            [
                "-c",
                "unset HOME; exec \"$0\" \"$@\" 2>/dev/full",
                Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
                Path.Combine(AppContext.BaseDirectory, "LongTake.Cli.dll"),
                .. (string[])
                    ["generate", "-p", "a walk", "--model", traveller, "--seconds", "2", "-o", program["a.gif"]],
            ]
        )
        {
            RedirectStandardOutput = true,
        };
        start.Environment["LONGTAKE_CACHE"] = "/proc/cache";
        start.Environment["DOTNET_CLI_HOME"] = program.Folder;
        using var child = Process.Start(start)!;
        Assert.Contains("33 frames", child.StandardOutput.ReadToEnd());
        child.WaitForExit();
        Assert.Equal(0, child.ExitCode);
    }
}
