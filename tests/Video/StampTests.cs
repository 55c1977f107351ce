using LongTake.Data;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Tests.Video;

/// <summary>Stamps far from zero, before it, and packets that an edit list hides.</summary>
public sealed class StampTests : IDisposable
{
    // Four seconds at 25 frames a second with a cut at 1.6 s, B-frames, and one key frame only; the sound is longer.
    private static readonly Lazy<byte[]> source = new(() =>
    {
        using var place = new Frames();
        place.Ffmpeg(
            "-f lavfi -i testsrc2=s=64x48:r=25:d=1.6 -f lavfi -i testsrc=s=64x48:r=25:d=2.4 -f lavfi -i sine=d=6 "
                + "-filter_complex [0][1]concat=n=2:v=1:a=0,format=yuv420p[v] -map [v] -map 2:a "
                + "-c:v libx264 -preset veryfast -crf 10 -bf 2 -g 500 -sc_threshold 0 -c:a aac source.mp4"
        );
        return File.ReadAllBytes(place["source.mp4"]);
    });

    private readonly Frames place = new();

    public void Dispose() => place.Dispose();

    private void Make(string arguments)
    {
        Skip.If(Frames.NoFfmpeg(), "no ffmpeg");
        File.WriteAllBytes(place["source.mp4"], source.Value);
        place.Ffmpeg(arguments);
    }

    [SkippableTheory]
    [InlineData("wall.mkv", "-output_ts_offset 1700000000", 1_700_000_000, 1000)]
    [InlineData("wall.nut", "-output_ts_offset 1700000000.04", 1_700_000_000.04, 51_200)]
    [InlineData("beyond.mkv", "-output_ts_offset 12345.678", 12_345.678, 1000)]
    [InlineData("day.ts", "-output_ts_offset 90000 -muxdelay 0", 90_000, 90_000)]
    [InlineData("disc.vob", "-output_ts_offset 100 -c:v mpeg2video -q:v 3 -g 50 -bf 2", 100, 90_000)]
    [InlineData("delay.mp4", "-output_ts_offset 1.5", 1.5, 12_800)]
    [InlineData("before.ts", "-output_ts_offset -1.5 -avoid_negative_ts disabled", -0.1, 90_000)]
    public void StampsAreExactAndTimesCountFromTheFirst(string name, string how, double start, int ticks)
    {
        Make($"-i source.mp4 -map 0:v -c copy {how} {name}");
        List<double> times = [];
        var info = Probe.Read(place[name]);
        var scan = VideoScan.Read(info, new() { Seen = (_, time) => times.Add(time) });
        Assert.Equal(new TimeBase(1, ticks), scan.Info.TimeBase);
        Assert.Equal((long)Math.Round(start * ticks), scan.Info.FirstStamp);
        Assert.Equal(
            Enumerable.Range(0, 100).Select(n => Math.Round(n / 25.0, 4)),
            times.Select(t => Math.Round(t, 4))
        );
        Assert.Equal((4, 25, 0), (Math.Round(scan.Seconds, 4), Math.Round(scan.Info.Fps, 4), scan.BadStamps));
        Assert.Equal(scan.Seconds, info.Seconds, 4);
        var cut = Assert.Single(scan.Transitions);
        Assert.Equal((40, 1.6), (cut.Frame, Math.Round(cut.Start, 4)));
        // The frame at the cut is found again by its stamp.
        var all = Read(name, null, 100);
        Assert.Equal(100, all.Count);
        Assert.Equal(all[40], Read(name, scan.Info.StartSeconds + 1.6 - 0.25 / 25, 1).Single());
    }

    [SkippableTheory]
    [InlineData("cut.mp4", "-ss 1.32 -i source.mp4 -t 2 -map 0:v -c copy")] // begins within the only group
    [InlineData("sound.mp4", "-i source.mp4 -c copy")] // sound is longer, and B-frames shift the first stamp
    [InlineData("late.mp4", "-itsoffset 0.7 -i source.mp4 -i source.mp4 -map 0:v -map 1:a -c copy")]
    [InlineData("both.mov", "-ss 1 -i source.mp4 -t 2.5 -c copy")]
    public void LengthAndPositionsAreThoseOfWhatIsShown(string name, string how)
    {
        Make($"{how} {name}");
        var info = Probe.Read(place[name]);
        var scan = VideoScan.Read(info);
        Assert.Equal(scan.Seconds, info.Seconds, 4);
        Assert.Equal(scan.Frames, info.Frames);
        Assert.Equal(scan.Info.FirstStamp, info.FirstStamp);
        Assert.Equal(0, scan.Shots[0].Shot.Start);
        Assert.InRange(scan.Seconds, 1.9, 4.01);
        // As a player shows it: seconds before the cut, and as many in the reader.
        var cut = Assert.Single(scan.Transitions);
        var all = Read(name, null, 100);
        Assert.Equal(scan.Frames, all.Count);
        Assert.Equal(all[cut.Frame], Read(name, info.StartSeconds + cut.Start - 0.25 / 25, 1).Single());
        var stretches = Decided(name, new() { ClipSeconds = 0.01 });
        Assert.Equal([0, cut.Start], stretches.Select(d => d.Start));
        Assert.Equal(scan.Seconds, stretches[^1].End, 4);
    }

    [SkippableFact]
    public void AStreamThatBeginsWithinAGroupBeginsWithWhatIsShown()
    {
        Make("-i source.mp4 -map 0:v -c:v mpeg2video -g 12 -bf 2 -q:v 3 whole.ts");
        var bytes = File.ReadAllBytes(place["whole.ts"]);
        File.WriteAllBytes(place["within.ts"], bytes[(bytes.Length / 188 / 3 * 188)..]);
        var scan = VideoScan.Read(place["within.ts"]);
        Assert.Equal(0, scan.Shots[0].Shot.Start);
        Assert.Equal(scan.Frames, Math.Round(scan.Seconds * 25));
        Assert.Equal(scan.Seconds, scan.Shots[^1].Shot.End, 4);
        Assert.Equal(scan.Seconds, scan.Info.Seconds);
    }

    [SkippableFact]
    public void ASecondWithoutFramesIsFrozenAndStampsThatJumpAreDamage()
    {
        Make("-i source.mp4 -map 0:v -vf setpts=PTS+gte(N\\,20)*5/TB -vsync passthrough -preset ultrafast gap.mkv");
        var frozen = Decided("gap.mkv", new())[1];
        Assert.Equal(("moving", 0.76), (frozen.Rule, Math.Round(frozen.Start, 2)));
        Assert.InRange(frozen.End, 5.79, 5.89);
        Make("-i source.mp4 -map 0:v -c copy one.ts");
        Make("-i source.mp4 -map 0:v -c copy -output_ts_offset 1000 later.ts");
        string Joined(params string[] parts)
        {
            File.WriteAllBytes(place["joined.ts"], [.. parts.SelectMany(p => File.ReadAllBytes(place[p]))]);
            var decision = Assert.Single(Decided("joined.ts", new()));
            Assert.Equal("undamaged", decision.Rule);
            return decision.Reason;
        }
        Assert.Contains("100 of 200 frames have no stamp, or one that does not grow", Joined("one.ts", "one.ts"));
        Assert.Contains("jump by 996 s", Joined("one.ts", "later.ts"));
    }

    private IReadOnlyList<Decision> Decided(string name, FilterRules rules) =>
        DatasetBuilder
            .Try([place[name]], new() { Filter = rules }, new ModelConfig(), null, default)
            .Single()
            .Decisions;

    private List<byte[]> Read(string name, double? from, int frames)
    {
        var options = new ReadOptions
        {
            Width = 32,
            Height = 24,
            FromStamp = from,
            MaxFrames = frames,
            Colour = VideoColour.Plain,
        };
        using var reader = new VideoReader(place[name], options);
        return [.. reader.Frames()];
    }
}
