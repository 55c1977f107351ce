using System.Diagnostics;
using LongTake.Video;

namespace LongTake.Tests.Video;

public class VideoReaderTests
{
    [SkippableTheory]
    [InlineData("short/driving_lane.mp4", 8, 70, 71)] // 8.84 s
    [InlineData("short/driving_vfr.mp4", 8, 70, 71)] // the same video with frames taken out
    [InlineData("short/delayed_start.mp4", 25, 24, 25)]
    [InlineData("short/no_duration_vp9.webm", 8, 38, 40)]
    public void ResampledByTime(string name, double fps, int least, int most)
    {
        using var reader = new VideoReader(
            SharedMedia.Get(name),
            new ReadOptions
            {
                Fps = fps,
                Width = 48,
                Height = 32,
            }
        );
        Assert.InRange(reader.Frames().Count(), least, most);
    }

    [SkippableFact]
    public void StartAndCountAndExactFrames()
    {
        var path = SharedMedia.Get("short/counter_30frames.mp4");
        var all = Read(path, new() { Width = 64, Height = 36 });
        Assert.Equal(30, all.Count);
        var part = Read(
            path,
            new()
            {
                Width = 64,
                Height = 36,
                FromStamp = 1.2,
                MaxFrames = 3,
            }
        );
        Assert.Equal(3, part.Count);
        for (var i = 0; i < 3; i++)
            Assert.Equal(all[12 + i], part[i]);
    }

    [SkippableFact]
    public void ARotatedVideoStandsUpright()
    {
        var options = new ReadOptions
        {
            Width = 64,
            Height = 36,
            MaxFrames = 1,
        };
        var upright = Read(SharedMedia.Get("short/chaplin_bw.mp4"), options)[0];
        Assert.True(Frames.Psnr(upright, Read(SharedMedia.Get("short/chaplin_rotated90.mp4"), options)[0]) > 28);
    }

    [SkippableFact]
    public void WhatHangsOverIsCut()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var writer = new VideoWriter(place["bars.mp4"], 96, 32, 8, new() { Crf = 0 }))
        {
            // Red, green, blue thirds: a square from the middle is all green.
            var frame = Enumerable
                .Range(0, 96 * 32)
                .SelectMany(i =>
                    (i % 96 / 32) switch
                    {
                        0 => new byte[] { 255, 0, 0 },
                        1 => [0, 255, 0],
                        _ => [0, 0, 255],
                    }
                )
                .ToArray();
            for (var t = 0; t < 3; t++)
                writer.Write(frame);
            writer.Complete();
        }
        var cover = Read(place["bars.mp4"], new() { Width = 16, Height = 16 })[0];
        Assert.True(cover[1] > 200 && cover[^2] > 200 && cover[0] < 80 && cover[^1] < 80, "the middle is green");
    }

    [SkippableFact]
    public void NoBadFileHangsOrCrashes()
    {
        string[] dead =
        [
            "audio_only.mp4",
            "ftyp_only.mp4",
            "random_bytes.mp4",
            "text_renamed.mp4",
            "truncated_moov_missing.mp4",
            "zero_byte.mp4",
        ];
        foreach (var file in SharedMedia.Files("corrupt"))
        {
            var options = new ReadOptions { Width = 32, Height = 32 };
            if (dead.Contains(Path.GetFileName(file)))
                Assert.Contains(
                    Path.GetFileName(file),
                    Assert.Throws<UserException>(() => Read(file, options)).Message,
                    StringComparison.Ordinal
                );
            else
                Assert.NotEmpty(Read(file, options));
        }
    }

    [SkippableFact]
    public void LeavingEarlyEndsFfmpegSoon()
    {
        var path = SharedMedia.Get("long/one_by_one_person.mp4");
        var watch = new Stopwatch();
        using (var reader = new VideoReader(path, new ReadOptions()))
        {
            Assert.True(reader.Read(new byte[reader.FrameBytes]));
            watch.Start();
        }
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
        using var stop = new CancellationTokenSource();
        using var other = new VideoReader(path, new ReadOptions(), stop.Token);
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => other.Frames().Count());
    }

    [SkippableFact]
    public void AFifoThatNobodyFillsIsGivenUp()
    {
        Skip.If(Frames.NoFfmpeg() || OperatingSystem.IsWindows(), "needs ffmpeg and mkfifo");
        using var place = new Frames();
        using (var make = Process.Start("mkfifo", place["pipe.mp4"]))
            make.WaitForExit();
        var error = Assert.Throws<UserException>(() =>
            Read(
                place["pipe.mp4"],
                new()
                {
                    Width = 8,
                    Height = 8,
                    Colour = VideoColour.Plain,
                    Patience = TimeSpan.FromSeconds(1),
                }
            )
        );
        Assert.Contains("no frame came", error.Message, StringComparison.Ordinal);
        Assert.Null(Probe.Try(place["pipe.mp4"], TimeSpan.FromSeconds(1)).Info);
    }

    [SkippableFact]
    public void AContactSheetHasItsSize()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        byte[][] frames = [.. Enumerable.Range(0, 7).Select(t => Frames.Drifting(t * 9, 20, 10))];
        ContactSheet.Write(place["sheet %d.png"], frames, 20, 10, columns: 3, upscale: 2);
        var bytes = File.ReadAllBytes(place["sheet %d.png"]);
        Assert.Equal(0x89, bytes[0]);
        // width and height in the header chunk
        Assert.Equal(3 * 40 + 2 * ContactSheet.Gap, bytes[18] * 256 + bytes[19]);
        Assert.Equal(3 * 20 + 2 * ContactSheet.Gap, bytes[22] * 256 + bytes[23]);
        Assert.Throws<UserException>(() => ContactSheet.Write(place["none.png"], [], 20, 10, 3));
    }

    static List<byte[]> Read(string path, ReadOptions options)
    {
        using var reader = new VideoReader(path, options);
        return [.. reader.Frames()];
    }
}
