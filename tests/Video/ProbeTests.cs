using System.Text.Json;
using LongTake.Video;
using Xunit.Abstractions;

namespace LongTake.Tests.Video;

public class ProbeTests(ITestOutputHelper output)
{
    [SkippableFact]
    public void FactsOfEveryGoodFile()
    {
        using var index = JsonDocument.Parse(File.ReadAllText(SharedMedia.Get("index.json")));
        List<string> wrong = [];
        foreach (var known in index.RootElement.EnumerateArray())
        {
            var name = known.GetProperty("file").GetString()!;
            if (
                !name.StartsWith("long/", StringComparison.Ordinal)
                && !name.StartsWith("short/", StringComparison.Ordinal)
            )
                continue;
            var info = Probe.Read(SharedMedia.Get(name));
            output.WriteLine(
                $"{name}: {info.Seconds:0.###} s, {info.Fps:0.###} fps{(info.Variable ? " variable" : "")}, "
                    + $"{info.Frames} frames, "
                    + $"{info.Width}x{info.Height} sar {info.SampleAspect:0.##} rot {info.Rotation} "
                    + $"{info.Codec} {info.PixelFormat} from {info.StartSeconds:0.###}"
            );
            void Check(bool right, string what)
            {
                if (!right)
                    wrong.Add($"{name}: {what}");
            }
            var turned = info.Rotation % 180 != 0;
            Check(info.Codec == known.GetProperty("codec").GetString(), "codec");
            Check(info.PixelFormat == known.GetProperty("pix_fmt").GetString(), "pixel format");
            Check((turned ? info.Height : info.Width) == known.GetProperty("width").GetInt32(), "width");
            Check(turned == (known.GetProperty("rotation").ValueKind != JsonValueKind.Null), "rotation");
            Check(Math.Abs(info.Frames - known.GetProperty("frames").GetInt32()) <= 1, $"{info.Frames} frames");
            var span =
                known.GetProperty("last_pts").GetDouble() - known.GetProperty("first_pts").GetDouble() + 1 / info.Fps;
            Check(Math.Abs(info.Seconds - span) < 0.1, $"{info.Seconds} s, not {span}");
            Check((info.AudioStreams > 0) == (known.GetProperty("audio").ValueKind != JsonValueKind.Null), "sound");
            Check(
                info.Variable == (name == "short/driving_vfr.mp4") || name == "short/unordered_pts.mov",
                $"variable {info.Variable}"
            );
        }
        Assert.Empty(wrong);
    }

    [SkippableFact]
    public void FactsOfTheOddOnes()
    {
        VideoInfo Of(string name) => Probe.Read(SharedMedia.Get(name));
        Assert.True(Of("short/bottles_mpeg2_interlaced.mpg").Interlaced);
        Assert.False(Of("short/driving_lane.mp4").Interlaced);
        Assert.Equal(
            (10, 10, 8),
            (
                Of("short/h264_10bit.mp4").BitDepth,
                Of("short/driving_hevc10.mp4").BitDepth,
                Of("short/driving_lane.mp4").BitDepth
            )
        );
        Assert.Equal("pc", Of("short/asl_walk.mkv").Colour.Range);
        var several = Of("multishot/nasa_13013.mp4");
        Assert.Equal((2, 2, 0, 320), (several.VideoStreams, several.AudioStreams, several.Stream, several.Width));
        Assert.Equal(16 / 11.0, Of("multishot/documentary_sar.mp4").SampleAspect, 3);
        Assert.True(Of("multishot/goldeneye_vfr_drop3.mp4").Variable);
    }

    [SkippableFact]
    public void EveryBadFileHasItsReason()
    {
        Dictionary<string, ProbeFault> expected = new()
        {
            ["audio_only.mp4"] = ProbeFault.NoVideoStream,
            ["ftyp_only.mp4"] = ProbeFault.Unreadable,
            ["random_bytes.mp4"] = ProbeFault.Unreadable,
            ["text_renamed.mp4"] = ProbeFault.Unreadable,
            ["truncated_moov_missing.mp4"] = ProbeFault.Unreadable,
            ["zero_byte.mp4"] = ProbeFault.Empty,
        };
        foreach (var file in SharedMedia.Files("corrupt"))
        {
            var probed = Probe.Try(file);
            output.WriteLine($"{Path.GetFileName(file)}: {probed.Fault} {probed.Reason} {probed.Info}");
            Assert.Equal(expected.GetValueOrDefault(Path.GetFileName(file)), probed.Fault);
            Assert.True(probed.Info is not null ^ probed.Reason.Length > 0, file);
        }
        Assert.InRange(Probe.Read(SharedMedia.Get("corrupt/lying_duration.mp4")).Seconds, 4.5, 5.5);
    }

    [SkippableFact]
    public void WhatIsNoFileIsSaidToBe()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        Assert.Equal(ProbeFault.Missing, Probe.Try(place["nothing.mp4"]).Fault);
        Assert.Equal(ProbeFault.Unreadable, Probe.Try(place.Folder).Fault);
        File.WriteAllText(place["-i words.txt"], "words that are no video\n");
        Assert.Null(Probe.Try(place["-i words.txt"]).Info);
        Assert.Contains(
            "nothing.mp4",
            Assert.Throws<UserException>(() => Probe.Read(place["nothing.mp4"])).Message,
            StringComparison.Ordinal
        );
    }

    [SkippableFact]
    public void TooLittleTimeIsAReasonToo()
    {
        // The program is at times quicker than the clock that stops it.
        Assert.Contains(Enumerable.Range(0, 30), _ =>
            Probe.Try(SharedMedia.Get("long/one_by_one_person.mp4"), TimeSpan.FromMilliseconds(1)).Fault
            == ProbeFault.TimedOut
        );
    }

    [Fact]
    public void MissingProgramsAreNamedWithThePlace()
    {
        using var place = new Frames();
        var error = Assert.Throws<UserException>(() => Ffmpeg.Locate("ffprobe", place.Folder, "/usr/bin"));
        Assert.Contains(place.Folder, error.Message, StringComparison.Ordinal);
        Assert.Contains("apt install ffmpeg", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            "PATH",
            Assert.Throws<UserException>(() => Ffmpeg.Locate("ffmpeg", null, place.Folder)).Message,
            StringComparison.Ordinal
        );
    }

    [SkippableFact]
    public void FfmpegSaysItsVersion()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Assert.StartsWith("ffmpeg version", Ffmpeg.Version(), StringComparison.Ordinal);
    }
}
