using LongTake.Evaluation;
using LongTake.Evaluation.Journey;
using LongTake.Worlds;
using LongTake.Worlds.Journey;
using Xunit.Abstractions;

namespace LongTake.Tests.Evaluation.Journey;

public class JourneyMetricTests(ITestOutputHelper output)
{
    private const int Second = 16 * Scene.FrameBytes;
    private const int Count = 3;

    private static readonly JourneyTake[] takes =
    [
        .. Enumerable.Range(0, Count).Select(i => JourneyTake.Long(new Rng(71, i), i % 6, i % 4, 0)),
    ];
    private static readonly Lazy<byte[][]> videos = new(() => [.. takes.Select(Scene.Video)]);
    private static readonly Lazy<Dictionary<string, double>> real = new(() => Mean(videos.Value));

    /// <summary>Means over the videos of these takes; what is relative to real takes is not divided.</summary>
    private static Dictionary<string, double> Mean(byte[][] of)
    {
        var measured = of.Zip(takes, (video, take) =>
                VideoMeasure.Of(video, World.Journey, 1, JourneyCaptions.Describe(take)).Values
            )
            .ToList();
        return JourneyMetrics
            .All.Where(m => measured.Any(v => v.ContainsKey(m.Name)))
            .ToDictionary(m => m.Name, m => measured.Where(v => v.ContainsKey(m.Name)).Average(v => v[m.Name]));
    }

    private void Has(Dictionary<string, double> score, params (string Name, double Low, double High)[] expected)
    {
        foreach (var (name, value) in score)
            output.WriteLine($"{name} {value:F4}");
        foreach (var (name, low, high) in expected)
            Assert.True(score[name] >= low && score[name] <= high, $"{name} is {score[name]}, expected {low}..{high}");
    }

    [Fact]
    public void Clean_takes_are_ideal()
    {
        Has(
            real.Value,
            ("gait", .98, 1),
            ("stepRate", 0, .001),
            ("legs", .9, 1),
            ("scroll", 0, .02),
            ("road", 1, 1),
            ("return", .995, 1),
            ("landmarks", 1, 1),
            ("landmarksBack", 1, 1),
            ("landmarkKind", 1, 1),
            ("landmarkColour", 1, 1),
            ("landmark", 1, 1),
            ("skyline", .85, 1.1),
            ("turn", 1, 1),
            ("hour", 0, .01),
            ("hourSteady", 1, 1),
            ("company", .98, 1),
            ("gaitMinute", .98, 1),
            ("coat", 1, 1),
            ("hat", 1, 1),
            ("coatDrift", 0, 1.5),
            ("scarfDrift", 0, 3)
        );
    }

    [Fact]
    public void Shuffled_seconds_keep_what_is_local_and_forget_the_rest()
    {
        var mixed = videos
            .Value.Select(video =>
            {
                var shuffled = (byte[])video.Clone();
                for (var s = 0; s < 61; s++)
                    video.AsSpan(s * 23 % 61 * Second, Second).CopyTo(shuffled.AsSpan(s * Second));
                return shuffled;
            })
            .ToArray();
        Has(
            Mean(mixed),
            ("road", 0, 0),
            ("return", .1, .5),
            ("skyline", -.25, .25),
            ("turn", 0, 0),
            ("hour", .05, .3),
            ("coat", 1, 1),
            ("hat", 1, 1),
            ("company", .9, 1)
        );
    }

    [Fact]
    public void A_way_back_through_another_land_is_seen()
    {
        var spliced = takes
            .Select(
                (take, i) =>
                {
                    var other = JourneyTake.Long(new Rng(72, i), 0, 0, 0);
                    var video = (byte[])videos.Value[i].Clone();
                    var back = take.Turn!.Value + 1;
                    Scene
                        .Video(
                            take with
                            {
                                Seed = other.Seed,
                                Biomes = [.. take.Biomes.Select(b => (b + 1) % 4)],
                                Landmarks =
                                [
                                    .. take.Landmarks.Select(l =>
                                        l with
                                        {
                                            Kind = (l.Kind + 1) % 4,
                                            Colour = l.Colour ^ 1,
                                        }
                                    ),
                                ],
                            },
                            back,
                            take.Frames - back
                        )
                        .CopyTo(video.AsSpan(back * Scene.FrameBytes));
                    return video;
                }
            )
            .ToArray();
        Has(
            Mean(spliced),
            ("road", 1, 1),
            ("return", 0, .1),
            ("landmarks", 1, 1),
            ("landmarksBack", 1, 1),
            ("landmarkKind", 0, 0),
            ("landmarkColour", 0, 0),
            ("landmark", 0, 0),
            ("skyline", -.35, .35),
            ("turn", 1, 1)
        );
    }

    [Fact]
    public void A_soft_video_keeps_its_content_and_loses_its_sharpness()
    {
        var soft = Mean([.. takes.Select(take => Scene.Video(take with { Gap = .7 }))]);
        Has(
            soft,
            ("road", 1, 1),
            ("return", .98, 1),
            ("landmarks", .8, 1),
            ("landmark", 1, 1),
            ("turn", 1, 1),
            ("coat", 1, 1),
            ("hat", .9, 1),
            ("gait", .6, 1)
        );
        Assert.InRange(soft["sharpness"] / real.Value["sharpness"], .05, .5);
        Assert.InRange(soft["pattern"] / real.Value["pattern"], .4, .9);
    }

    [Fact]
    public void A_land_without_landmarks_shows_none() =>
        Has(
            Mean([.. takes.Take(2).Select(take => Scene.Video(take with { Landmarks = [], Company = 0 }))]),
            ("landmarks", 0, 0),
            ("company", .98, 1),
            ("return", 1, 1)
        );

    [Fact]
    public void A_video_that_stands_still_does_not_walk_or_turn()
    {
        var frozen = videos
            .Value.Select(video =>
                (byte[])[.. Enumerable.Range(0, 977).SelectMany(_ => video.AsSpan(0, Scene.FrameBytes).ToArray())]
            )
            .ToArray();
        Has(Mean(frozen), ("gait", 0, 0), ("turn", 0, 0), ("road", 0, 0), ("scroll", 1, 1), ("motion", 0, 0));
    }

    [Fact]
    public void Another_coat_hat_or_company_half_way_is_seen()
    {
        var changed = takes
            .Select(
                (take, i) =>
                {
                    var video = (byte[])videos.Value[i].Clone();
                    var other = take with
                    {
                        Coat = (take.Coat + 1) % 6,
                        Hat = (take.Hat + 1) % 4,
                        Company = (take.Company + 1) % 4,
                    };
                    Scene.Video(other, 480, 497).CopyTo(video.AsSpan(480 * Scene.FrameBytes));
                    return video;
                }
            )
            .ToArray();
        Has(Mean(changed), ("coat", .49, .51), ("hat", .49, .51), ("company", .45, .6), ("coatDrift", 20, 100));
    }

    [Fact]
    public void The_road_is_that_of_the_caption_or_any_permutation()
    {
        double Road(IReadOnlyList<int>? asked) =>
            VideoMeasure
                .Of(videos.Value[0], World.Journey, 1, JourneyCaptions.Describe(0, 0, [.. asked ?? []], back: true))
                .Values["road"];
        var road = takes[0].Biomes;
        Assert.Equal(
            (1, 1, 0, 1, 0),
            (Road(null), Road(road), Road([.. road.Reverse()]), Road(road[1..3]), Road([road[3], road[0]]))
        );
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => VideoMeasure.Of(new byte[100], World.Journey, 1, ""));
        Assert.Throws<ArgumentException>(() => VideoMeasure.Of(new byte[Scene.FrameBytes], World.Journey, 1, ""));
    }
}
