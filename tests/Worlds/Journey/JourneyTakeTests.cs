using LongTake.Worlds.Journey;

namespace LongTake.Tests.Worlds.Journey;

public class JourneyTakeTests
{
    private static readonly JourneyTake[] takes =
    [
        .. Enumerable.Range(0, 2400).Select(i => JourneyTake.Long(new Rng(31, i), i % 6, i % 4)),
    ];

    private static readonly JourneyTake[] clips =
    [
        .. Enumerable.Range(0, 4000).Select(i => JourneyTake.Clip(new Rng(32, i))),
    ];

    [Fact]
    public void The_way_back_mirrors_the_way_there()
    {
        foreach (var take in takes.Take(200))
        {
            var turn = take.Turn!.Value;
            Assert.Equal((0, turn), (take.Position(0), take.Position(turn)));
            for (var f = 0; f < take.Frames - 1; f++)
            {
                Assert.Equal(f < turn ? 1 : -1, take.Position(f + 1) - take.Position(f));
                if (2 * turn - f is >= 0)
                    Assert.Equal(take.Position(f), take.Position(2 * turn - f));
            }
        }
    }

    [Fact]
    public void The_traveller_faces_the_way_he_walks_and_turns_in_twelve_frames()
    {
        foreach (var take in (JourneyTake[])[takes[0], takes[1] with { Direction = -1 }])
        {
            var (turn, way) = (take.Turn!.Value, take.Direction);
            Assert.Equal((way, 0, -way), (take.Facing(turn - 6), take.Facing(turn), take.Facing(turn + 6)));
            Assert.Equal(11, Enumerable.Range(0, 977).Count(f => Math.Abs(take.Facing(f)) < 1));
            Assert.Equal((way, -way), (take.Facing(0), take.Facing(976)));
        }
        Assert.Equal(-1, (takes[0] with { Turn = null, Direction = -1 }).Facing(40));
    }

    [Fact]
    public void Roads_are_uniform_permutations_with_uniform_boundaries()
    {
        var orders = takes.GroupBy(t => string.Join("", t.Biomes)).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(24, orders.Count);
        Assert.All(orders.Values, count => Assert.InRange(count, 50, 150));
        for (var i = 0; i < 3; i++)
            Uniform(takes.Select(t => t.Boundaries[i]), 977 / 8.0 * (i + .9), 977 / 8.0 * (i + 1.1));
        Assert.All(takes, t => Assert.Equal(t.Biomes, t.Road));
        Assert.All(takes, t => Assert.Equal(t.Biomes, t.Boundaries.Prepend(-1).Select(b => t.BiomeAt(b + .5))));
    }

    [Fact]
    public void Turn_hour_rate_company_and_looks_are_uniform()
    {
        Uniform(takes.Select(t => (double)t.Turn!.Value), .45 * 977 - 1, .55 * 977 + 1);
        Uniform(takes.Select(t => t.Hour), 0, 1);
        Uniform(takes.Select(t => t.HourRate * 960), -1.2, 1.2);
        Uniform(takes.Select(t => t.Company + .5), 0, 4);
        Uniform(takes.Select(t => t.CompanyColour + .5), 0, 4);
        Uniform(takes.Select(t => t.CoatBrightness), .85, 1.15);
        Uniform(takes.Select(t => t.ScarfHue), 0, 1);
        Uniform(takes.Select(t => t.GaitPhase), 0, 2 * Math.PI);
        Assert.InRange(takes.Average(t => t.RoadNamed ? 1.0 : 0), .46, .54);
        Assert.Equal(.25, (takes[0] with { Hour = .75, HourRate = -.5 }).HourAt(1), 12);
        Assert.Equal(.75, (takes[0] with { Hour = .25, HourRate = -.5 }).HourAt(1), 12);
    }

    [Fact]
    public void Landmarks_are_uniform_and_their_kinds_do_not_tell_of_each_other()
    {
        for (var i = 0; i < 3; i++)
        {
            Uniform(takes.Select(t => t.Landmarks[i].Kind + .5), 0, 4);
            Uniform(takes.Select(t => t.Landmarks[i].Colour + .5), 0, 4);
            Assert.Equal(.25, takes.Average(t => t.Landmarks[i].Kind == t.Landmarks[(i + 1) % 3].Kind ? 1.0 : 0), .05);
            Assert.Equal(.25, takes.Average(t => t.Landmarks[i].Kind == t.Landmarks[i].Colour ? 1.0 : 0), .05);
        }
    }

    [Fact]
    public void Landmarks_are_large_in_view_for_five_seconds_both_ways_and_gone_for_five_between()
    {
        foreach (var take in takes.Take(400))
        {
            var turn = take.Turn!.Value;
            var whole = take.Landmarks.Select(_ => new bool[take.Frames]).ToArray();
            for (var i = 0; i < 3; i++)
            {
                var width = LandmarkArt.Sprites[take.Landmarks[i].Kind].Width;
                Assert.True(width >= 64 / 6.0);
                for (var f = 0; f < take.Frames; f++)
                {
                    var (left, _) = LandmarkArt.Corner(take.Landmarks[i], take.Position(f));
                    whole[i][f] = left >= 0 && left + width <= 64;
                    Assert.False(Math.Abs(f - turn) < 40 && left < 64 && left + width > 0, "in view at the turn");
                }
                Assert.InRange(whole[i].Take(turn).Count(w => w), 80, 120);
                Assert.InRange(whole[i].Skip(turn).Count(w => w), 80, 120);
            }
            Assert.DoesNotContain(Enumerable.Range(0, take.Frames), f => whole.Count(w => w[f]) > 1);
        }
    }

    [Fact]
    public void Clips_walk_either_way_and_seldom_turn()
    {
        Assert.Equal(.5, clips.Average(c => c.Direction > 0 ? 1.0 : 0), .04);
        Assert.Equal(.15, clips.Average(c => c.Turn is null ? 0 : 1.0), .03);
        Uniform(clips.Select(c => c.Hour), 0, 1);
        Uniform(clips.Select(c => c.HourRate * 960), -1.2, 1.2);
        Uniform(clips.Select(c => c.Coat + .5), 0, 6);
        Uniform(clips.Select(c => c.Hat + .5), 0, 4);
        Assert.All(clips, c => Assert.Equal((81, 0.0), (c.Frames, c.Gap)));
        Assert.All(clips, c => Assert.InRange(c.Road.Length, 1, 2));
        Assert.All(clips.Where(c => c.Turn is not null), c => Assert.Empty(c.Landmarks));
        Assert.All(clips.Where(c => c.Turn is not null), c => Assert.InRange(c.Turn!.Value, 6, 74));
        Assert.InRange(clips.Average(c => c.Road.Length), 1.3, 1.7);
    }

    [Fact]
    public void The_road_of_a_clip_is_what_it_walks_through_before_it_turns()
    {
        foreach (var clip in clips.Take(500))
        {
            var seen = Enumerable
                .Range(0, Math.Min(clip.Turn ?? 80, 80) + 1)
                .Select(f => clip.BiomeAt(clip.Position(f)))
                .Distinct();
            Assert.Equal(seen, clip.Road);
        }
    }

    [Fact]
    public void The_gap_takes_no_part_in_the_draw()
    {
        var (soft, clean) = (JourneyTake.Long(new Rng(7), 1, 2), JourneyTake.Long(new Rng(7), 1, 2, 0));
        Assert.Equal((.7, 0.0), (soft.Gap, clean.Gap));
        Assert.Equal(Scene.Video(clean, 300, 2), Scene.Video(soft with { Gap = 0 }, 300, 2));
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
