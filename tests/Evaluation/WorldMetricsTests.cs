using System.Runtime.CompilerServices;
using LongTake.Evaluation;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Evaluation;

public class WorldMetricsTests(ITestOutputHelper output)
{
    private const int Row = 3 * Traveller.Side;

    private static TravellerTake Take(int i) => TravellerTake.Long(new Rng(21, i), i % 6, i % 4);

    private static byte[] Video(TravellerTake take, int stride = 2) =>
        Traveller.Video(take, 0, 976 / stride + 1, stride);

    private static WorldScore Score(byte[] video, TravellerTake take, int stride = 2) =>
        WorldMetrics.Measure(video, stride, WorldTruth.Of(take));

    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 12)]
    public void Real_takes_are_near_ideal(int stride, int count)
    {
        var scores = Enumerable.Range(0, count).Select(i => Score(Video(Take(i), stride), Take(i), stride)).ToArray();
        Mean(s => s.arc, 0, .012);
        Mean(s => s.mono, 1, 1);
        Mean(s => s.biome, 1, 1);
        Mean(s => s.lm_rec, 1, 1);
        Mean(s => s.lm_fa, 0, 0);
        Mean(s => s.lm_same, 1, 1);
        Mean(s => s.lm_acc, 1, 1);
        Mean(s => s.coat_acc, 1, 1);
        Mean(s => s.hat_acc, .995, 1);
        Mean(s => s.coat_drift, 0, .5);
        Mean(s => s.neck_drift, 0, .5);
        Mean(s => s.gaitL, .99, 1);
        Mean(s => s.gaitG, .99, 1);
        Mean(s => s.gaitF, 0, .001);
        Mean(s => s.legs, .85, 1);
        Mean(s => s.scroll, 0, .015);
        Mean(s => s.gamp, .97, 1.03);
        Mean(s => s.sharp, .9, 1.1);
        Mean(s => s.flick, 0, 1.1);

        void Mean(
            Func<WorldScore, double?> of,
            double low,
            double high,
            [CallerArgumentExpression(nameof(of))] string name = ""
        )
        {
            var mean = scores.Average(of)!.Value;
            output.WriteLine($"{name[5..]} {mean:F4}");
            Assert.True(mean >= low && mean <= high, $"{name[5..]} = {mean}");
        }
    }

    [Fact]
    public void A_soft_video_keeps_its_content_and_loses_its_sharpness()
    {
        for (var i = 0; i < 4; i++)
        {
            var s = Score(Blur(Video(Take(i))), Take(i));
            output.WriteLine($"{s}");
            Assert.True(s is { biome: 1, lm_rec: 1, lm_fa: 0, lm_same: 1, coat_acc: 1, hat_acc: > .9 });
            Assert.True(s is { gaitL: > .97, scroll: < .08, mono: > .98, sharp: < .6, gamp: < .9, arc: < .03 });
        }
    }

    [Fact]
    public void A_frozen_video_does_not_walk()
    {
        var video = Video(Take(0));
        for (var f = 1; f < video.Length / Traveller.FrameBytes; f++)
            video.AsSpan(0, Traveller.FrameBytes).CopyTo(video.AsSpan(f * Traveller.FrameBytes));
        var s = Score(video, Take(0));
        Assert.True(s is { gaitL: 0, gaitG: 0, gaitF: 1, flick: 0, arc: > .3, biome: < .4, lm_rec: 0, lm_same: null });
        Assert.Equal(1, s.scroll, 6);
    }

    [Fact]
    public void Shuffled_seconds_spoil_the_day_but_not_the_walk()
    {
        const int second = 8 * Traveller.FrameBytes;
        var (video, mixed) = (Video(Take(1)), Video(Take(1)));
        for (var s = 0; s < 61; s++)
            video.AsSpan(s * 23 % 61 * second, second).CopyTo(mixed.AsSpan(s * second));
        var score = Score(mixed, Take(1));
        Assert.True(score is { arc: > .2, mono: < .8, biome: < .6, lm_fa: > .1, gaitL: > .98 }, $"{score}");
    }

    [Fact]
    public void Another_coat_or_hat_than_asked_for_is_seen()
    {
        var take = Take(4);
        var s = Score(Video(take with { Coat = 2, Hat = 1 }), take);
        Assert.True(s is { coat_acc: 0, hat_acc: 0, coat_drift: < 1 }, $"{s}");
        var half = Video(take);
        Video(take with { Coat = 2 }).AsSpan(half.Length / 2).CopyTo(half.AsSpan(half.Length / 2));
        s = Score(half, take);
        Assert.True(s is { coat_acc: > .45 and < .55, hat_acc: 1, coat_drift: > 20 }, $"{s}");
    }

    [Fact]
    public void A_lighthouse_may_change_colour_be_missing_or_come_uncalled()
    {
        var (take, video) = (Take(2), Video(Take(2)));
        var other = Video(take with { LandmarkColour = (take.LandmarkColour + 1) % 3 });
        other.AsSpan(video.Length / 2).CopyTo(video.AsSpan(video.Length / 2));
        Assert.True(Score(video, take) is { lm_rec: 1, lm_same: 0, lm_acc: .5 });
        Assert.True(
            Score(Video(take with { Landmarks = [] }), take) is { lm_rec: 0, lm_fa: 0, lm_same: null, lm_acc: null }
        );
        Assert.True(Score(Video(take with { Landmarks = [128, 330, 704] }), take) is { lm_rec: 1, lm_fa: > .05 });
    }

    [Fact]
    public void Places_in_another_order_are_seen() =>
        Assert.InRange(Score(Video(Take(3) with { Biomes = [0, 1, 3, 2] }), Take(3)).biome, .4, .6);

    [Fact]
    public void A_faster_ground_is_seen()
    {
        var (take, video) = (Take(5), Video(Take(5)));
        for (var f = 0; f < video.Length / Traveller.FrameBytes; f++)
        for (var y = 26; y < 32; y++)
        {
            var row = video.AsSpan(f * Traveller.FrameBytes + y * Row, Row);
            var turned = row.ToArray();
            for (var i = 0; i < Row; i++)
                row[i] = turned[(i + 3 * f) % Row];
        }
        Assert.Equal(.5, Score(video, take).scroll, .05);
    }

    [Fact]
    public void What_a_prompt_does_not_say_is_not_judged()
    {
        var s = WorldMetrics.Measure(Video(Take(0)), 2, WorldTruth.Of("someone in a red coat"));
        Assert.True(s is { coat_acc: 1, hat_acc: null, lm_acc: null });
    }

    [Fact]
    public void Wrong_sizes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => WorldMetrics.Measure(new byte[100], 2, new(0, 0, 0)));
        Assert.Throws<ArgumentException>(() => WorldMetrics.Measure(new byte[Traveller.FrameBytes], 2, new(0, 0, 0)));
        Assert.Throws<ArgumentException>(() => WorldMetrics.Measure(Video(Take(0)), 3, new(0, 0, 0)));
    }

    /// <summary>Slight blur, 1 4 1 in both directions.</summary>
    private static byte[] Blur(byte[] video)
    {
        var soft = new byte[video.Length];
        for (var i = 0; i < video.Length; i++)
        {
            var (x, y) = (i / 3 % Traveller.Side, i / Row % Traveller.Side);
            var (left, right) = (x > 0 ? -3 : 0, x < Traveller.Side - 1 ? 3 : 0);
            int Across(int at) => video[at + left] + 4 * video[at] + video[at + right];
            var (up, down) = (y > 0 ? -Row : 0, y < Traveller.Side - 1 ? Row : 0);
            soft[i] = (byte)((Across(i + up) + 4 * Across(i) + Across(i + down) + 18) / 36);
        }
        return soft;
    }
}
