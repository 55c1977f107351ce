using System.Diagnostics;
using LongTake.Evaluation;
using LongTake.Worlds;
using Xunit.Abstractions;

namespace LongTake.Tests.Evaluation;

public class FrechetTests(ITestOutputHelper output)
{
    private static double Distance(double[][] a, double[][] b) => new Frechet(Moments.Of(a)).Distance(Moments.Of(b));

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
        Assert.Equal(0, Distance(a, a), 6);
        Assert.Equal(1 + 4 + 9, Distance(a, moved), 6);
    }

    [Fact]
    public void Normal_clouds_have_the_distance_of_the_closed_form()
    {
        // Independent axes: sum of (m - m')^2 + (s - s')^2.
        var a = Cloud(2, 40_000, [0, 0, 0], [1, 2, 3]);
        var b = Cloud(3, 40_000, [1, 0, 0], [2, 2, 1]);
        Assert.Equal(1 + 1 + 4, Distance(a, b), .15);
        Assert.Equal(Distance(a, b), Distance(b, a), 6);
    }

    [Fact]
    public void Distance_does_not_depend_on_the_axes()
    {
        double[][] Turn(double[][] rows) =>
            [.. rows.Select(r => new[] { .6 * r[0] - .8 * r[1], .8 * r[0] + .6 * r[1] })];
        var (a, b) = (Cloud(4, 300, [0, 0], [1, 3]), Cloud(5, 300, [1, 2], [2, 1]));
        Assert.Equal(Distance(a, b), Distance(Turn(a), Turn(b)), 6);
    }

    [Fact]
    public void Features_tell_videos_apart_and_real_from_real_hardly()
    {
        byte[][] Videos(int seed, int takes, Func<TravellerTake, TravellerTake> change) =>
            [
                .. Enumerable
                    .Range(0, takes)
                    .Select(i => change(TravellerTake.Long(new Rng(seed, i), i % 6, (i + i / 6) % 4)))
                    .Select(take => Traveller.Video(take, 0, 489, 2)),
            ];
        byte[][] real = Videos(1, 8, t => t),
            again = Videos(2, 8, t => t),
            late = Videos(3, 8, t => t with { Dawn = .5 });
        var clock = Stopwatch.StartNew();
        var space = FeatureSpace.Fit(Raw(real));
        double[][] Raw(byte[][] videos) =>
            [
                .. videos
                    .SelectMany(v => RandomFeatures.Of(v, Traveller.Side, 40))
                    .Select(w => Array.ConvertAll(w, v => (double)v)),
            ];
        Moments Of(byte[][] videos) => Moments.Of([.. Raw(videos).Select(space.Of)]);
        var distance = new Frechet(Of(real));
        var (floor, far) = (distance.Percent(Of(again)), distance.Percent(Of(late)));
        output.WriteLine(
            $"real against real {floor:F2} %, against late videos {far:F2} %, {clock.Elapsed.TotalSeconds:F1} s"
        );
        Assert.Equal(
            RandomFeatures.Of(real[5], Traveller.Side, 40)[0],
            RandomFeatures.Of(real[5], Traveller.Side, 40)[0]
        );
        Assert.True(floor < 15 && far > 3 * floor, $"{floor} {far}");
    }
}
