using LongTake.Worlds;

namespace LongTake.Tests.Worlds;

public class TakeTests
{
    [Fact]
    public void Takes_follow_their_laws()
    {
        var takes = Enumerable.Range(0, 2000).Select(i => TravellerTake.Long(new Rng(11, i), i % 6, i % 4)).ToArray();
        Assert.All(takes, t => Assert.Equal((977, 3, 2), (t.Frames, t.Boundaries.Length, t.Lighthouses.Length)));
        Uniform(takes.Select(t => t.Dawn), -.02, .02);
        Uniform(takes.Select(t => t.CoatBrightness), .85, 1.15);
        Uniform(takes.Select(t => t.GaitPhase), 0, 2 * Math.PI);
        Uniform(takes.Select(t => t.SkylineSeed), 0, 10);
        Uniform(takes.Select(t => t.FarOffset), 0, 1000);
        Uniform(takes.Select(t => t.MidOffset), 0, 24);
        Uniform(takes.Select(t => t.GroundOffset + .5), 0, 8);
        Uniform(takes.Select(t => t.LighthouseColour + .5), 0, 3);
        for (var i = 0; i < 3; i++)
            Uniform(takes.Select(t => t.Boundaries[i]), 244 * (i + 1) - 24, 244 * (i + 1) + 24);
        Uniform(takes.Select(t => t.Lighthouses[0]), 112, 144);
        Uniform(takes.Select(t => t.Lighthouses[1]), 688, 720);
        Assert.Equal(1, takes[0].Phase(2000));
    }

    [Fact]
    public void Clips_follow_their_laws()
    {
        var clips = Enumerable.Range(0, 4000).Select(i => TravellerTake.Clip(new Rng(12, i))).ToArray();
        Uniform(clips.Select(t => t.Dawn), 0, 1);
        Uniform(clips.Select(t => t.DayRate), -1.5 / 977, 1.5 / 977);
        Uniform(clips.Select(t => t.Coat + .5), 0, 6);
        Uniform(clips.Select(t => t.Hat + .5), 0, 4);
        Uniform(clips.Select(t => t.Biomes[0] + .5), 0, 4);
        Assert.Equal(.5, clips.Average(t => t.Boundaries.Length), .03);
        Assert.Equal(.3, clips.Average(t => t.Lighthouses.Length), .03);
        Assert.All(clips, t => Assert.Equal(t.Boundaries.Length + 1, t.Biomes.Distinct().Count()));
        Uniform(clips.SelectMany(t => t.Boundaries), -128, 81);
        Uniform(clips.SelectMany(t => t.Lighthouses), -150, 80);
    }

    [Fact]
    public void The_same_seed_gives_the_same_take()
    {
        var (a, b) = (TravellerTake.Clip(new Rng(4)), TravellerTake.Clip(new Rng(4)));
        Assert.Equal(Traveller.Video(a, 0, 5, 9), Traveller.Video(b, 0, 5, 9));
        Assert.NotEqual(Traveller.Video(a, 0, 5, 9), Traveller.Video(TravellerTake.Clip(new Rng(5)), 0, 5, 9));
    }

    private static void Uniform(IEnumerable<double> values, double low, double high)
    {
        var all = values.ToArray();
        Assert.InRange(all.Min(), low, high);
        Assert.InRange(all.Max(), low, high);
        var (width, mean) = (high - low, all.Average());
        Assert.Equal((low + high) / 2, mean, width * 5 / Math.Sqrt(12 * all.Length));
        Assert.Equal(width / Math.Sqrt(12), Math.Sqrt(all.Average(v => (v - mean) * (v - mean))), width * .05);
    }
}
