using LongTake.Evaluation;

namespace LongTake.Tests.Evaluation;

public class ResamplingTests
{
    private static double?[][] Values(long seed, int videos, double shift, double spread, params double[] seeds) =>
        [
            .. seeds.Select(
                (s, i) =>
                    Enumerable
                        .Range(0, videos)
                        .Select(n =>
                            (double?)(shift + s + 5 * new Rng(1, n).Normal() + spread * new Rng(seed, i, n).Normal())
                        )
                        .ToArray()
            ),
        ];

    [Fact]
    public void A_difference_is_paired_by_video_and_seed()
    {
        var draws = new Resampling(48);
        var (a, b) = (draws.Mean(Values(2, 48, 1, .1, 0, 3, 6)), draws.Mean(Values(3, 48, 0, .1, 0, 3, 6)));
        var (own, less) = (a.Estimate(), a.Less(b).Estimate());
        Assert.True(own.High - own.Low > 1.5, "videos and seeds differ much");
        Assert.InRange(less.Low, .9, 1.05);
        Assert.InRange(less.High, .95, 1.1);
        Assert.Equal(3, less.Seeds!.Count);
        Assert.All(less.Seeds, s => Assert.InRange(s, .9, 1.1));
    }

    [Fact]
    public void A_difference_that_is_there_has_a_small_p_and_one_that_is_not_has_any()
    {
        var draws = new Resampling(48);
        double P(long seed, double shift) =>
            draws.Mean(Values(seed, 48, shift, 1, 0)).Less(draws.Mean(Values(seed + 1, 48, 0, 1, 0))).P();
        Assert.InRange(P(2, 1), .001, .01);
        double[] none = [.. Enumerable.Range(0, 200).Select(i => P(100 + 2 * i, 0))];
        Assert.InRange(none.Average(), .4, .6);
        Assert.InRange(none.Count(p => p < .05), 3, 22); // 10 of 200, give or take what videos drawn twice do
        Assert.Equal(double.NaN, new Resampling.Drawn(1, [], 0, []).P());
    }

    [Fact]
    public void Holm_takes_the_number_of_questions_into_account()
    {
        double[] corrected = [.. Resampling.Holm([.01, .04, .03, .9]).Select(p => Math.Round(p, 6))];
        Assert.Equal([.04, .09, .09, .9], corrected);
        Assert.Equal([.02], Resampling.Holm([.02]));
        Assert.Empty(Resampling.Holm([]));
        Assert.Equal([1, 1], Resampling.Holm([.7, .8]));
    }

    [Fact]
    public void Intervals_hold_the_mean_as_often_as_they_say()
    {
        var held = Enumerable
            .Range(0, 200)
            .Count(i =>
            {
                double?[] values = [.. Enumerable.Range(0, 40).Select(n => (double?)new Rng(9, i, n).Normal())];
                var e = new Resampling(40, 400).Mean([values]).Estimate();
                return e.Low <= 0 && e.High >= 0;
            });
        Assert.InRange(held, 178, 198);
    }

    [Fact]
    public void Where_1_is_best_the_nearer_of_two_is_better_on_whichever_side_it_is()
    {
        var draws = new Resampling(48);
        var (above, below) = (draws.Mean(Values(2, 48, 1.1, 0, 0)), draws.Mean(Values(2, 48, .5, 0, 0)));
        var one = Metric.Named("sharpness");
        Assert.True(above.Less(below).Value > 0);
        Assert.Equal(
            Math.Abs(above.Value - 1) - Math.Abs(below.Value - 1),
            above.Select(one.Error).Less(below.Select(one.Error)).Value,
            9
        );
    }

    [Fact]
    public void Several_seeds_widen_the_interval_by_what_they_differ()
    {
        var draws = new Resampling(48);
        Estimate Of(params double[] seeds) =>
            draws
                .Mean([
                    .. seeds.Select(
                        (s, i) =>
                            Enumerable.Range(0, 48).Select(n => (double?)(s + new Rng(9, i, n).Normal())).ToArray()
                    ),
                ])
                .Estimate();
        var (alike, apart) = (Of(0, 0, 0), Of(-2, 0, 2));
        Assert.InRange(alike.High - alike.Low, .15, .6);
        Assert.True(apart.High - apart.Low > 2);
    }

    [Fact]
    public void Videos_that_do_not_say_are_left_out()
    {
        var mean = new Resampling(4).Mean([
            [1, null, 3, null],
        ]);
        Assert.Equal(2, mean.Value);
        Assert.Equal(2, mean.Videos);
        Assert.True(
            double.IsNaN(
                new Resampling(2)
                    .Mean([
                        [null, null],
                    ])
                    .Value
            )
        );
    }

    [Fact]
    public void Moments_give_the_distance_of_the_samples_themselves()
    {
        double[][] Cloud(int seed, double shift) =>
            [
                .. Enumerable
                    .Range(0, 60)
                    .Select(i => new[] { shift + new Rng(seed, i).Normal(), 2 * new Rng(seed, i, 1).Normal() }),
            ];
        var (a, b) = (Cloud(1, 0), Cloud(2, 1));
        var parts = Moments.Of(b[..20]) + Moments.Of(b[20..45]) + Moments.Of(b[45..]);
        var distance = new Frechet(Moments.Of(a));
        Assert.Equal(distance.Percent(Moments.Of(b)), distance.Percent(parts), 8);
    }

    [Fact]
    public void Ranks_and_slopes()
    {
        Assert.Equal(1, Ranks.Spearman([1, 2, 5, 9], [0, 10, 11, 100])!.Value, 12);
        Assert.Equal(-1, Ranks.Spearman([1, 2, 5], [3, 2, 1])!.Value, 12);
        // ties: Pearson of (0, 1.5, 1.5, 3) and (0, 1, 2, 3)
        Assert.Equal(.9486832980505138, Ranks.Spearman([1, 2, 2, 3], [1, 2, 3, 4])!.Value, 12);
        Assert.Null(Ranks.Spearman([1, 1, 1], [1, 2, 3]));
        Assert.Equal(60, Ranks.Slope([5, null, 7, 8])!.Value, 9);
        Assert.Null(Ranks.Slope([5, null]));
    }
}
