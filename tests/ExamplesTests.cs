using System.Diagnostics;
using LongTake.Tests.Data;
using LongTake.Tests.Video;

namespace LongTake.Tests;

/// <summary>The programs of the folder examples, run as they are built.</summary>
public sealed class ExamplesTests : IDisposable
{
    private static readonly string model = Path.Combine(SourceFiles.Root, "models", "traveller");
    private readonly string folder = Directory.CreateTempSubdirectory("longtake-examples-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string this[string name] => Path.Combine(folder, name);

    private Process Start(string example, params string[] arguments)
    {
        var program = Path.Combine(
            SourceFiles.Root,
            "examples",
            example,
            "bin",
            "Release",
            "net10.0",
            example + ".dll"
        );
        Skip.IfNot(File.Exists(program), $"{program} is not built");
        return Process.Start(
            new ProcessStartInfo("dotnet", [program, .. arguments])
            {
                WorkingDirectory = folder,
                RedirectStandardOutput = true,
            }
        )!;
    }

    private string Run(string example, params string[] arguments)
    {
        using var child = Start(example, arguments);
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.Equal(0, child.ExitCode);
        return output;
    }

    [SkippableFact]
    public void GenerateWithProgress()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Assert.Contains(
            "33 frames",
            Run("GenerateWithProgress", model, "a traveller in a red coat", this["a.mp4"], "2")
        );
        Assert.True(File.Exists(this["a.mp4"]));
    }

    [SkippableFact]
    public void StreamFrames()
    {
        Assert.Contains("brightest: frame", Run("StreamFrames", model, "a traveller in a red coat", folder, "2"));
        Assert.Equal(32 * 32 * 3 + "P6\n32 32\n255\n".Length, new FileInfo(this["first.ppm"]).Length);
    }

    [SkippableFact]
    public void AddAMethod() => Assert.Contains("is trained", Run("AddAMethod", model, this["run"]));

    [SkippableFact]
    public void TrainOnClips()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Directory.CreateDirectory(this["clips"]);
        foreach (var n in (int[])[1, 2, 3])
            Videos.Write(this[$"clips/{n}.mp4"], 12, t => t + 400 * n);
        Assert.Contains("is trained", Run("TrainOnClips", model, this["clips"], this["run"], "2"));
        Assert.True(File.Exists(this["run/video.mp4"]));
    }

    [SkippableFact]
    public async Task WebHost()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var child = Start("WebHost", "--model", model, "--urls", "http://127.0.0.1:0");
        try
        {
            string? url = null;
            while (url is null && await child.StandardOutput.ReadLineAsync() is { } line)
                url = line.Contains("http://127", StringComparison.Ordinal) ? line[line.IndexOf("http://127")..] : null;
            using var client = new HttpClient { BaseAddress = new Uri(url!), Timeout = TimeSpan.FromMinutes(3) };
            var video = await client.GetByteArrayAsync("/video?prompt=a+traveller&seconds=2");
            Assert.Equal("ftyp"u8, video.AsSpan(4, 4));
            var wrong = await client.GetAsync("/video?prompt=a+traveller&seconds=-1");
            Assert.Equal(400, (int)wrong.StatusCode);
            Assert.Contains("seconds -1", await wrong.Content.ReadAsStringAsync());
        }
        finally
        {
            child.Kill();
        }
    }
}
