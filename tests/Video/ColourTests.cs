using LongTake.Data;
using LongTake.Models;
using LongTake.Tests.Cli;
using LongTake.Video;

namespace LongTake.Tests.Video;

/// <summary>One picture in many colours: all are read as the same picture.</summary>
public sealed class ColourTests : IDisposable
{
    private static readonly Lazy<bool> zscale = new(() => LongTake.Video.Ffmpeg.Has("zscale"));
    private readonly Frames place = new();

    public void Dispose() => place.Dispose();

    // How light and colours of BT.709 are written in another way, and the words for it.
    private static string Way(string name) =>
        name switch
        {
            "BT.709" =>
                "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv444p -colorspace bt709 -color_range tv",
            "BT.601" => "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv444p -colorspace smpte170m -color_trc "
                + "smpte170m -color_primaries smpte170m",
            "full BT.601" => "-vf scale=out_color_matrix=bt601:out_range=pc,format=yuvj444p -colorspace bt470bg",
            "full BT.709" =>
                "-vf scale=out_color_matrix=bt709:out_range=pc,format=yuv444p -colorspace bt709 -color_range pc",
            "small" => "-vf scale=out_color_matrix=bt601:out_range=tv,format=yuv444p",
            "large" => "-vf scale=1440:960:flags=neighbor:out_color_matrix=bt709:out_range=tv,format=yuv444p",
            "PQ" => Wide("smpte2084"),
            "HLG" => Wide("arib-std-b67"),
            "BT.2020" => Wide("bt2020-10"),
            "P3" => $"-vf zscale=pin=bt709:tin=bt709:p=smpte432:t=bt709:m=bt709:r=tv,format=yuv444p10le "
                + "-colorspace bt709 -color_trc bt709 -color_primaries smpte432",
            _ => throw new ArgumentException(name),
        };

    private static string Wide(string transfer) =>
        $"-vf zscale=pin=bt709:tin=bt709:t={transfer}:p=bt2020:m=bt2020nc:r=tv:npl=203,format=yuv444p10le "
        + $"-colorspace bt2020nc -color_trc {transfer} -color_primaries bt2020 -color_range tv";

    // A second of a picture that stays below the brightness from which HDR is compressed.
    private byte[] Write(string name, string way, double seconds = 1)
    {
        Skip.If(Frames.NoFfmpeg() || !zscale.Value, "no ffmpeg with zscale");
        var frames = Enumerable.Range(0, (int)(8 * seconds)).Select(t => Frames.Drifting(t, 96, 64)).ToArray();
        File.WriteAllBytes(place["raw"], [.. frames.SelectMany(f => f)]);
        place.Ffmpeg(
            $"-f rawvideo -pix_fmt rgb24 -s 96x64 -r 8 -i raw {way} -c:v libx264 -preset ultrafast -qp 2 {name}"
        );
        return frames[0];
    }

    [SkippableTheory]
    [InlineData("BT.709", 38, "BT.709, limited range")]
    [InlineData("BT.601", 38, "BT.601, limited range")]
    [InlineData("full BT.601", 38, "BT.601, full range")]
    [InlineData("full BT.709", 38, "BT.709, full range")]
    [InlineData("small", 38, "matrix not stated, read as BT.601, limited range (not stated)")]
    [InlineData("large", 36, "matrix not stated, read as BT.709, limited range (not stated)")]
    [InlineData("PQ", 32, "BT.2020, PQ (HDR), limited range; tone-mapped to BT.709")]
    [InlineData("HLG", 32, "BT.2020, HLG (HDR), limited range; tone-mapped to BT.709")]
    [InlineData("BT.2020", 32, "BT.2020, limited range; brought to BT.709")]
    [InlineData("P3", 32, "BT.709, primaries P3, limited range; brought to BT.709")]
    public void EveryColourIsReadAsThePictureItShows(string way, double least, string said)
    {
        var frame = Write("a.mp4", Way(way));
        var info = Probe.Read(place["a.mp4"]);
        Assert.Equal(said, info.Colour.Describe(info.Width, info.Height));
        var colour = info.Colour.Read(info.Width, info.Height);
        using (
            var reader = new VideoReader(
                place["a.mp4"],
                new()
                {
                    Width = 96,
                    Height = 64,
                    Colour = colour,
                }
            )
        )
            Assert.InRange(Frames.Psnr(frame, reader.Frames().First()), least, 100);
        // The thumbnails have the brightness and the contrast of the picture.
        var shot = VideoScan.Read(info).Shots[0];
        double[] weights = way is "BT.601" or "full BT.601" or "small"
            ? [0.299, 0.587, 0.114]
            : [0.2126, 0.7152, 0.0722];
        var light = frame.Chunk(3).Select(p => p.Zip(weights, (v, w) => v * w).Sum()).ToList();
        Assert.Equal(light.Average(), shot.Brightness, 4.0);
        Assert.Equal(Math.Sqrt(light.Average(l => l * l) - Math.Pow(light.Average(), 2)), shot.MostContrast, 4.0);
        var picture = Jpegs.Read(place["a.mp4"], null, 1, 1, 96, null, colour);
        File.WriteAllBytes(place["a.jpg"], picture[0]);
        Assert.InRange(Frames.Psnr(frame, Picture.Read(place["a.jpg"]).Rgb), 24, 100);
    }

    [SkippableTheory]
    [InlineData("PQ")]
    [InlineData("HLG")]
    [InlineData("BT.2020")]
    public void ARecipeRefusesWhatItShallNotToneMap(string way)
    {
        Write("a.mp4", Way(way), 6);
        Decision Of(HdrFootage hdr) =>
            DatasetBuilder
                .Try([place["a.mp4"]], new() { Filter = new() { Hdr = hdr } }, new ModelConfig(), null, default)
                .Single()
                .Decisions.Single();
        var kept = Of(HdrFootage.ToneMap);
        Assert.Equal("bt2020", kept.Footage!.Colour!.Primaries);
        var refused = Of(HdrFootage.Refuse);
        Assert.Equal("colour", refused.Rule);
        Assert.Contains("BT.2020", refused.Reason);
    }

    [SkippableFact]
    public void BarsOfTenBitsAreFound()
    {
        Write("a.mp4", Way("PQ").Replace("-vf ", "-vf pad=96:96:0:16,"));
        Assert.Equal(new(0, 16, 96, 64), VideoScan.Read(place["a.mp4"]).Shots[0].Crop);
    }

    [SkippableFact]
    public void AnFfmpegWithoutTheFilterIsNamed()
    {
        Skip.If(OperatingSystem.IsWindows(), "needs a shell");
        Write("a.mp4", Way("HLG"));
        using var program = new CommandLine();
        foreach (var name in (string[])["ffmpeg", "ffprobe"])
        {
            program.Put(
                name,
                $"#!/bin/sh\ncase \"$*\" in *-filters*) exec {LongTake.Video.Ffmpeg.Locate(name)} \"$@\" | grep -v zscale; exit;; "
                    + $"esac\nexec {LongTake.Video.Ffmpeg.Locate(name)} \"$@\"\n"
            );
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(program[name], (UnixFileMode)0b111_101_101);
        }
        program.Variables[LongTake.Video.Ffmpeg.Variable] = program.Folder;
        var ran = program.Run("data", "probe", place["a.mp4"]);
        Assert.Equal(1, ran.Code);
        Assert.Contains("colour: BT.2020, HLG (HDR), limited range: to bring that to BT.709 takes an ffmpeg", ran.Out);
    }

    [Fact]
    public void WhatNeedsDolbyVisionIsRefused()
    {
        Assert.Contains("Dolby Vision", new VideoColour("tv", "", VideoColour.DolbyVision, "").Problem());
        Assert.False(new VideoColour("tv", "bt709,movie=/etc/passwd", "", "").IsKnown);
    }
}
