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

    /// <summary>A measure whose teacher is the random network: every test here is about other metrics.</summary>
    private static VideoMeasure Measure(byte[] rgb, TravellerTake take, params int[] seams)
    {
        var random = RandomFeatures.Of(rgb, Traveller.Side, WindowFrames);
        return VideoMeasure.Of(rgb, World.Traveller, Stride, Captions.Describe(take), seams: seams) with
        {
            Random = random,
            ImageNet = random,
            Teacher = random,
        };
    }

    private static readonly Lazy<RealTakes> units = new(() =>
        new RealTakes([.. Enumerable.Range(0, 8).Select(n => Measure(Video(Take(n)), Take(n)))])
    );

    private static double? Of(string metric, VideoMeasure video) => units.Value.Value(Metric.Named(metric), video);

    private static double?[] Curve(string metric, VideoMeasure video) =>
        units.Value.Curve(Metric.Named(metric), video)!;

    [Fact]
    public void A_real_take_is_real()
    {
        var video = Measure(Video(Take(9)), Take(9));
        Assert.Equal(1, Of("story", video)!.Value);
        Assert.InRange(Of("sharpness", video)!.Value, .8, 1.2);
        Assert.InRange(Of("motion", video)!.Value, .8, 1.2);
        Assert.InRange(Of("distance", video)!.Value, .4, 2);
        Assert.InRange(Of("repetition", video)!.Value, 0, .3);
        Assert.All(Curve("sharpness", video), v => Assert.InRange(v!.Value, .3, 2));
        Assert.All(Curve("coatDrift", video), v => Assert.True(v < 4, $"{v}"));
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
        var measure = Measure(video, take);
        var (coat, day) = (Curve("coatDrift", measure), Curve("timeOfDay", measure));
        Assert.True(coat[..28].Max() < 5 && coat[33..].Min() > 30);
        Assert.True(day[..28].Max() < .1 && day[50] > .3);
        Assert.True(Ranks.Slope(coat) > 20);
    }

    [Fact]
    public void A_video_that_says_the_same_again_and_again_repeats()
    {
        var ten = Video(Take(9))[..(80 * Traveller.FrameBytes)];
        byte[] video = [.. Enumerable.Repeat(ten, 6).SelectMany(f => f), .. ten[..(9 * Traveller.FrameBytes)]];
        var measured = Measure(video, Take(9));
        Assert.True(Of("repetition", measured) > .5, $"{Of("repetition", measured)}");
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
        Assert.True(Of("seam", Measure(cut, take, seams)) > 2);
        Assert.InRange(Of("seam", Measure(video, take, seams))!.Value, .8, 1.25);
        Assert.Null(Of("seam", Measure(video, take)));

        byte[] Video2(int which) => which == 0 ? video : other.Value;
    }

    private static readonly Lazy<byte[]> other = new(() => Video(Take(2)));
}
