using LongTake.Evaluation;
using LongTake.Worlds;

namespace LongTake.Tests.Evaluation;

/// <summary>What changes a video must show in the measure that is about it.</summary>
public class VideoMeasureTests
{
    private const int Stride = 2,
        WindowFrames = 40;

    private static TravellerTake Take(int n) => TravellerTake.Long(new Rng(3, n), n % 6, n % 4);

    private static byte[] Video(TravellerTake take) => Traveller.Video(take, 0, 489, Stride);

    /// <summary>A measure without the teacher's features: every test here is about the others.</summary>
    private static VideoMeasure Measure(byte[] rgb, TravellerTake take, params int[] seams)
    {
        var network = new RandomFeatures();
        var random = RandomFeatures
            .Windows(rgb, WindowFrames)
            .Select(w => Array.ConvertAll(network.Raw(w), v => (float)v))
            .ToArray();
        return new()
        {
            World = WorldMetrics.Measure(rgb, Stride, WorldTruth.Of(take), new WorldReal(1, 1)),
            Random = random,
            Teacher = random,
            Curves = Curves.Of(WorldMetrics.Open(rgb, Stride), WorldTruth.Of(take)),
            Seam = VideoMeasure.SeamRatio(rgb, seams),
        };
    }

    private static readonly Lazy<RealUnits> units = new(() =>
        new RealUnits([.. Enumerable.Range(0, 8).Select(n => Measure(Video(Take(n)), Take(n)))])
    );

    private static double? Of(string metric, VideoMeasure video) =>
        Metric.All.Single(m => m.Name == metric).Of(video, units.Value);

    [Fact]
    public void A_real_take_is_real()
    {
        var video = Measure(Video(Take(9)), Take(9));
        Assert.Equal(1, Of("story", video)!.Value);
        Assert.InRange(Of("sharp", video)!.Value, .8, 1.2);
        Assert.InRange(Of("motion", video)!.Value, .8, 1.2);
        Assert.InRange(Of("far", video)!.Value, .4, 2);
        Assert.InRange(Of("repeat", video)!.Value, 0, .3);
        var curves = units.Value.Curves(video);
        Assert.All(curves["gradient"], v => Assert.InRange(v!.Value, .3, 2));
        Assert.All(curves["identity"], v => Assert.True(v < 4, $"{v}"));
        Assert.Equal(video.World.biome, curves["biome"].Average()!.Value, 9);
        Assert.Equal(video.World.arc, curves["arc"].Average()!.Value, 9);
    }

    [Fact]
    public void Whatever_goes_wrong_halfway_shows_in_its_curve_from_there_on()
    {
        var (take, other) = (Take(9), Take(9) with { Coat = (Take(9).Coat + 2) % 6, DayRate = 0 });
        byte[] video =
        [
            .. Video(take)[..(244 * Traveller.FrameBytes)],
            .. Video(other)[(244 * Traveller.FrameBytes)..],
        ];
        var curves = units.Value.Curves(Measure(video, take));
        Assert.True(curves["identity"][..28].Max() < 5 && curves["identity"][33..].Min() > 30);
        Assert.True(curves["arc"][..28].Max() < .1 && curves["arc"][50] > .3);
        Assert.True(Ranks.Slope(curves["identity"]) > 20);
    }

    [Fact]
    public void A_video_that_says_the_same_again_and_again_repeats()
    {
        var ten = Video(Take(9))[..(80 * Traveller.FrameBytes)];
        byte[] video = [.. Enumerable.Repeat(ten, 6).SelectMany(f => f), .. ten[..(9 * Traveller.FrameBytes)]];
        var measured = Measure(video, Take(9));
        Assert.True(Of("repeat", measured) > .5, $"{Of("repeat", measured)}");
        Assert.True(Of("story", measured) < .7);
    }

    [Fact]
    public void A_standstill_has_no_motion_and_a_jump_is_a_seam()
    {
        var (video, take) = (Video(Take(9)), Take(9));
        byte[] still = [.. Enumerable.Repeat(video[..Traveller.FrameBytes], 489).SelectMany(f => f)];
        Assert.Equal(0, Of("motion", Measure(still, take)));
        // Every 20 latents another video goes on: its first frame follows no frame of the one before.
        byte[] cut =
        [
            .. Enumerable
                .Range(0, 489)
                .SelectMany(f =>
                    Video2((f + 3) / 4 / 20 % 2)[(f * Traveller.FrameBytes)..((f + 1) * Traveller.FrameBytes)]
                ),
        ];
        int[] seams = [.. Enumerable.Range(1, 6).Select(i => 20 * i)];
        Assert.True(VideoMeasure.SeamRatio(cut, seams) > 2);
        Assert.InRange(VideoMeasure.SeamRatio(video, seams)!.Value, .8, 1.25);
        Assert.Null(VideoMeasure.SeamRatio(video, []));

        byte[] Video2(int which) => which == 0 ? video : other.Value;
    }

    private static readonly Lazy<byte[]> other = new(() => Video(Take(2)));
}
