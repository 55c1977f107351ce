using System.Diagnostics;
using System.Text.Json;
using LongTake.Video;

namespace LongTake.Tests.Video;

public class VideoWriterTests
{
    [SkippableFact]
    public void WhatIsWrittenIsRead()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        var path = Write(place["a video: with = signs.mp4"], 30, 96, 64, 12);
        using var reader = new VideoReader(path, new ReadOptions());
        Assert.Equal((96, 64), (reader.Width, reader.Height));
        var t = 0;
        foreach (var frame in reader.Frames())
            Assert.True(
                Frames.Psnr(frame, Frames.Drifting(t++, 96, 64)) > 36,
                $"frame {t - 1}: {Frames.Psnr(frame, Frames.Drifting(t - 1, 96, 64)):f1} dB"
            );
        Assert.Equal(30, t);
        Assert.False(File.Exists(place["a video: with = signs.part.mp4"]));
    }

    [SkippableFact]
    public void AMinuteHasItsFramesAndItsLength()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        var info = Probe.Read(Write(place["minute.mp4"], 977, 32, 32, 16));
        Assert.Equal(977, info.Frames);
        Assert.Equal(977 / 16.0, info.Seconds, 0.01);
        Assert.Equal(16, info.Fps, 1e-6);
        Assert.False(info.Variable);
        Assert.Equal(("h264", "yuv420p"), (info.Codec, info.PixelFormat));
    }

    [SkippableFact]
    public void PixelsBecomeSquaresAndOddSidesAreWritten()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        Assert.Equal((96, 96), Size(Write(place["big.mp4"], 5, 32, 32, 8, new() { Upscale = 3 })));
        Assert.Equal((36, 24), Size(Write(place["odd.mp4"], 5, 35, 23, 8)));
        static (int, int) Size(string path) => Probe.Read(path) is var info ? (info.Width, info.Height) : default;
    }

    [SkippableFact]
    public void FactsStayInTheFile()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        var path = Write(
            place["facts.mp4"],
            5,
            32,
            32,
            8,
            new()
            {
                Metadata = new Dictionary<string, string>
                {
                    ["title"] = "a fox = a \"fox\" -i $(x) äöü 狐",
                    ["seed"] = "42",
                    ["model"] = "sha256:0123",
                    ["comment"] = "two\nlines\0and\u001b[31m more",
                    ["bad key\n="] = "x",
                    ["torn"] = "half \ud83d pair",
                },
            }
        );
        var tags = Tags(path);
        Assert.Equal("a fox = a \"fox\" -i $(x) äöü 狐", tags["title"]);
        Assert.Equal("42", tags["seed"]);
        Assert.Equal("sha256:0123", tags["model"]);
        Assert.Equal("two lines and [31m more", tags["comment"]);
        Assert.Equal("x", tags["bad_key__"]);
        Assert.Equal("half \ufffd pair", tags["torn"]);
    }

    [SkippableFact]
    public void AKilledRunLeavesAVideoThatPlays()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        var writer = new VideoWriter(place["video.mp4"], 64, 64, 8);
        for (var t = 0; t < 400; t++)
            writer.Write(Frames.Drifting(t, 64, 64));
        for (
            var wait = Stopwatch.StartNew();
            wait.Elapsed < TimeSpan.FromSeconds(20) && new FileInfo(writer.Partial).Length < 2000;

        )
            Thread.Sleep(20);
        Thread.Sleep(500);
        writer.Kill();
        writer.Dispose();
        Assert.False(File.Exists(place["video.mp4"]));
        using var reader = new VideoReader(place["video.part.mp4"], new ReadOptions());
        Assert.InRange(reader.Frames().Count(), 200, 400);
    }

    [SkippableFact]
    public void DisposedBeforeCompleteItKeepsAllUnderThePartialName()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var writer = new VideoWriter(place["video.mp4"], 32, 32, 8))
            for (var t = 0; t < 20; t++)
                writer.Write(Frames.Drifting(t, 32, 32));
        Assert.False(File.Exists(place["video.mp4"]));
        Assert.Equal(20, Probe.Read(place["video.part.mp4"]).Frames);
    }

    [SkippableFact]
    public void AFullDiskIsToldAndLeavesNoWholeVideo()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Skip.If(!File.Exists("/dev/full"), "no /dev/full here");
        using var place = new Frames();
        File.CreateSymbolicLink(place["video.part.mp4"], "/dev/full");
        var error = Assert.Throws<UserException>(() => Write(place["video.mp4"], 200, 64, 64, 8));
        Assert.Contains("video.mp4", error.Message, StringComparison.Ordinal);
        Assert.Contains("disk is full", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(place["video.mp4"]));
    }

    [SkippableFact]
    public void CancellationEndsItAtOnce()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using var stop = new CancellationTokenSource();
        using var writer = new VideoWriter(place["video.mp4"], 32, 32, 8, token: stop.Token);
        writer.Write(Frames.Drifting(0, 32, 32));
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
        {
            for (var t = 0; t < 1000; t++)
                writer.Write(Frames.Drifting(t, 32, 32));
        });
        Assert.False(File.Exists(place["video.mp4"]));
    }

    [SkippableFact]
    public void SizesThatCannotBeAreRefused()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        Assert.Throws<UserException>(() => new VideoWriter(place["a.mp4"], 0, 32, 8));
        Assert.Throws<UserException>(() => new VideoWriter(place["a.mp4"], 32, 32, double.NaN));
        Assert.Throws<UserException>(() => new VideoWriter(place["a.mp4"], 32, 32, 8, new() { Crf = 99 }));
        using var writer = new VideoWriter(place["a.mp4"], 32, 32, 8);
        Assert.Throws<ArgumentException>(() => writer.Write(new byte[5]));
        Assert.Throws<UserException>(writer.Complete);
    }

    static string Write(string path, int frames, int width, int height, double fps, WriteOptions? options = null)
    {
        using var writer = new VideoWriter(path, width, height, fps, options);
        for (var t = 0; t < frames; t++)
            writer.Write(Frames.Drifting(t, width, height));
        writer.Complete();
        return path;
    }

    static Dictionary<string, string> Tags(string path)
    {
        using var probe = Process.Start(
            new ProcessStartInfo("ffprobe", ["-v", "error", "-show_entries", "format_tags", "-of", "json", path])
            {
                RedirectStandardOutput = true,
            }
        )!;
        using var json = JsonDocument.Parse(probe.StandardOutput.ReadToEnd());
        return json
            .RootElement.GetProperty("format")
            .GetProperty("tags")
            .EnumerateObject()
            .ToDictionary(t => t.Name, t => t.Value.GetString()!);
    }
}
