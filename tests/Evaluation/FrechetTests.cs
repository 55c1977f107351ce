using System.Diagnostics;
using LongTake.Evaluation;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Evaluation;

public class FrechetTests(ITestOutputHelper output)
{
    private static double[][] Cloud(int seed, int count, double[] mean, double[] std)
    {
        var rng = new Rng(seed);
        return [.. Enumerable.Range(0, count).Select(_ => mean.Zip(std, (m, s) => m + s * rng.Normal()).ToArray())];
    }

    [Fact]
    public void A_cloud_is_at_no_distance_from_itself_and_a_shift_counts_squared()
    {
        var a = Cloud(1, 200, [0, 1, 2, 3], [1, 2, .5, 0]);
        var moved = a.Select(r => r.Select((v, i) => v + i).ToArray()).ToArray();
        Assert.Equal(0, Frechet.Distance(a, a), 6);
        Assert.Equal(1 + 4 + 9, Frechet.Distance(a, moved), 6);
    }

    [Fact]
    public void Normal_clouds_have_the_distance_of_the_closed_form()
    {
        // Independent axes: sum of (m - m')^2 + (s - s')^2.
        var a = Cloud(2, 40_000, [0, 0, 0], [1, 2, 3]);
        var b = Cloud(3, 40_000, [1, 0, 0], [2, 2, 1]);
        Assert.Equal(1 + 1 + 4, Frechet.Distance(a, b), .15);
        Assert.Equal(Frechet.Distance(a, b), Frechet.Distance(b, a), 6);
    }

    [Fact]
    public void Distance_does_not_depend_on_the_axes()
    {
        double[][] Turn(double[][] rows) =>
            [.. rows.Select(r => new[] { .6 * r[0] - .8 * r[1], .8 * r[0] + .6 * r[1] })];
        var (a, b) = (Cloud(4, 300, [0, 0], [1, 3]), Cloud(5, 300, [1, 2], [2, 1]));
        Assert.Equal(Frechet.Distance(a, b), Frechet.Distance(Turn(a), Turn(b)), 6);
    }

    [Fact]
    public void Features_tell_videos_apart_and_real_from_real_hardly()
    {
        byte[][] Windows(int seed, int takes, Func<TravellerTake, TravellerTake> change) =>
            [
                .. Enumerable
                    .Range(0, takes)
                    .SelectMany(i =>
                        RandomFeatures.Windows(
                            Traveller.Video(
                                change(TravellerTake.Long(new Rng(seed, i), i % 6, (i + i / 6) % 4)),
                                0,
                                489,
                                2
                            ),
                            40
                        )
                    ),
            ];
        byte[][] real = Windows(1, 8, t => t),
            again = Windows(2, 8, t => t),
            late = Windows(3, 8, t => t with { Dawn = .5 });
        var clock = Stopwatch.StartNew();
        var features = RandomFeatures.Fit(real);
        double[][] Of(byte[][] windows) => [.. windows.Select(features.Of)];
        var (floor, far) = (Frechet.Percent(Of(real), Of(again)), Frechet.Percent(Of(real), Of(late)));
        output.WriteLine(
            $"real against real {floor:F2} %, against late videos {far:F2} %, {clock.Elapsed.TotalSeconds:F1} s"
        );
        Assert.Equal(32, features.Of(real[0]).Length);
        Assert.Equal(RandomFeatures.Fit(real[..4], 3).Of(real[5]), RandomFeatures.Fit(real[..4], 3).Of(real[5]));
        Assert.True(floor < 15 && far > 3 * floor, $"{floor} {far}");
    }

    [Fact]
    public void Intervals_hold_the_mean_as_often_as_they_say()
    {
        var held = 0;
        for (var i = 0; i < 200; i++)
        {
            var rng = new Rng(9, i);
            double[] values = [.. Enumerable.Range(0, 40).Select(_ => rng.Normal())];
            var (low, high) = Bootstrap.Interval(values, rng, 400);
            if (low <= 0 && high >= 0)
                held++;
        }
        Assert.InRange(held, 178, 198);
    }

    [Fact]
    public void Pairs_take_out_what_both_share()
    {
        var rng = new Rng(10);
        double[] shared = [.. Enumerable.Range(0, 16).Select(_ => 10 * rng.Normal())];
        double[] better = [.. shared.Select(v => v + 1 + .1 * rng.Normal())];
        var (low, high) = Bootstrap.PairedDifference(better, shared, rng);
        Assert.True(low > .9 && high < 1.1, $"{low} {high}");
        Assert.Throws<ArgumentException>(() => Bootstrap.PairedDifference([1, 2], [1], rng));
    }
}
