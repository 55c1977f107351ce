using LongTake.Video;

namespace LongTake.Tests.Video;

/// <summary>Videos of every ending, and the places where none can be.</summary>
public class OutputFormatTests
{
    [SkippableTheory]
    [InlineData("a.mp4", "h264", "mov,mp4,m4a,3gp,3g2,mj2")]
    [InlineData("a.MP4", "h264", "mov,mp4,m4a,3gp,3g2,mj2")]
    [InlineData("a.mov", "h264", "mov,mp4,m4a,3gp,3g2,mj2")]
    [InlineData("a.mkv", "h264", "matroska,webm")]
    [InlineData("a.webm", "vp9", "matroska,webm")]
    [InlineData("a.b.gif", "gif", "gif")]
    public void TheFileIsWhatItsEndingSays(string name, string codec, string container)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var writer = new VideoWriter(place[name], 36, 24, 16, new() { Upscale = 2 }))
        {
            for (var t = 0; t < 20; t++)
                writer.Write(Frames.Drifting(t, 36, 24));
            writer.Complete();
        }
        var info = Probe.Read(place[name]);
        Assert.Equal((codec, 20, 72, 48), (info.Codec, info.Frames, info.Width, info.Height));
        Assert.Equal(20 / 16.0, info.Seconds, 0.05);
        using var child = new MediaProcess(
            "ffprobe",
            ["-v", "error", "-show_entries", "format=format_name", "-of", "csv=p=0", place[name]],
            TimeSpan.FromSeconds(20)
        );
        Assert.Equal(container, child.Text().Trim().Trim('"'));
        // the file's first bytes, which ffprobe's two names do not tell apart
        var head = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(place[name])[..64]);
        Assert.Contains(
            codec == "vp9" ? "webm"
                : name.EndsWith("mkv", StringComparison.Ordinal) ? "matroska"
                : name.EndsWith("mov", StringComparison.Ordinal) ? "ftypqt"
                : codec == "gif" ? "GIF89a"
                : "ftypisom",
            head
        );
        Assert.Equal([name], Directory.GetFileSystemEntries(place[""]).Select(Path.GetFileName));
    }

    [SkippableTheory]
    [InlineData("a.mp4", VideoCodec.Hevc, "hevc")]
    [InlineData("a.mov", VideoCodec.ProRes, "prores")]
    [InlineData("a.webm", VideoCodec.Av1, "av1")]
    public void AnotherCodecGoesWhereItCan(string name, VideoCodec codec, string said)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var writer = new VideoWriter(place[name], 36, 24, 16, new() { Upscale = 2, Codec = codec }))
        {
            for (var t = 0; t < 20; t++)
                writer.Write(Frames.Drifting(t, 36, 24));
            writer.Complete();
        }
        var info = Probe.Read(place[name]);
        Assert.Equal((said, 20, 72, 48), (info.Codec, info.Frames, info.Width, info.Height));
        Assert.Equal(20 / 16.0, info.Seconds, 0.05);
        using var reader = new VideoReader(place[name], new());
        Assert.Equal(20, reader.Frames().Count());
        var e = Assert.Throws<UserException>(() =>
            new VideoWriter(place["b.mp4"], 32, 32, 8, new() { Codec = VideoCodec.ProRes })
        );
        Assert.Contains(".mp4 takes no ProRes; it takes H264, Hevc, Av1", e.Message);
        Assert.Throws<UserException>(() => new VideoWriter(place["b.gif"], 32, 32, 8, new() { Codec = codec }));
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void AnMp4BeginsWithItsIndexOrIsInFragments(bool fragmented)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var writer = new VideoWriter(place["a.mp4"], 32, 32, 16, new() { Fragmented = fragmented }))
        {
            for (var t = 0; t < 40; t++)
                writer.Write(Frames.Drifting(t, 32, 32));
            writer.Complete();
        }
        var text = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(place["a.mp4"]));
        Assert.True(text.IndexOf("moov", StringComparison.Ordinal) < text.IndexOf("mdat", StringComparison.Ordinal));
        Assert.Equal(fragmented, text.Contains("moof", StringComparison.Ordinal));
        Assert.Equal(40, Probe.Read(place["a.mp4"]).Frames);
    }

    [SkippableTheory]
    [InlineData("a.avi", "'.avi' is no ending")]
    [InlineData("a", "has no ending")]
    [InlineData("a.", "has no ending")]
    [InlineData("a.mp4.tmp", "'.tmp' is no ending")]
    [InlineData("folder.mp4", "is a folder")]
    [InlineData("file/a.mp4", "is there and no folder")]
    [InlineData("dangling/a.mp4", "is there and no folder")]
    [InlineData("/proc/a.mp4", "/proc/a.mp4: cannot be written")]
    [InlineData("/dev/null/a.mp4", "is there and no folder")]
    [InlineData("~/a.mp4", "'~' is a home folder only where a shell writes it out")]
    [InlineData("~someone/a.mp4", "'~someone' is a home folder")]
    public void WhatCannotBeWrittenIsRefusedBeforeAFrame(string name, string why)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        Skip.If(OperatingSystem.IsWindows(), "no /proc here");
        using var place = new Frames();
        Directory.CreateDirectory(place["folder.mp4"]);
        File.WriteAllText(place["file"], "");
        File.CreateSymbolicLink(place["dangling"], place["nowhere"]);
        var before = Directory.GetFileSystemEntries(place[""]);
        var path = name.StartsWith('~') ? name : place[name];
        var e = Assert.Throws<UserException>(() => new VideoWriter(path, 32, 32, 8));
        Assert.Contains(why, e.Message);
        Assert.StartsWith(path + ": ", e.Message);
        Assert.Equal(before, Directory.GetFileSystemEntries(place[""]));
        Assert.False(Directory.Exists("~"));
    }

    [Fact]
    public void ALongNameAFullDiskAndAFastGifAreRefusedBeforeAFrame()
    {
        using var place = new Frames();
        var longName = new string('n', 240) + ".mp4"; // fits, its latents' name does not
        Assert.Throws<UserException>(() => OutputPlace.RequireFile(place[longName + ".latents.safetensors"]));
        var full = Assert.Throws<UserException>(() => OutputPlace.RequireFile(place["a.mp4"], long.MaxValue));
        Assert.Contains("the disk is full", full.Message);
        var fast = Assert.Throws<UserException>(() => new VideoWriter(place["a.gif"], 32, 32, 60));
        Assert.Contains("at most 50 frames a second", fast.Message);
    }

    [SkippableFact]
    public void OneWriterAtATimeAndEveryNameItsOwn()
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        using var place = new Frames();
        using (var first = new VideoWriter(place["a.mp4"], 32, 32, 8))
        {
            var e = Assert.Throws<UserException>(() => new VideoWriter(place["a.mp4"], 32, 32, 8));
            Assert.Contains("another process is making it", e.Message);
            using var other = new VideoWriter(place["a.mov"], 32, 32, 8);
            Assert.NotEqual(first.Partial, other.Partial);
            foreach (var writer in (VideoWriter[])[first, other])
            {
                writer.Write(Frames.Drifting(0, 32, 32));
                writer.Complete();
            }
        }
        new VideoWriter(place["a.mp4"], 32, 32, 8).Dispose();
        Assert.Equal(["a.mov", "a.mp4"], Directory.GetFileSystemEntries(place[""]).Select(Path.GetFileName).Order());
    }
}
