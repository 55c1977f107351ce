using LongTake.Worlds.Journey;

namespace LongTake.Tests.Worlds.Journey;

public class JourneyCaptionTests
{
    [Fact]
    public void Every_caption_is_read_back()
    {
        foreach (var (coat, hat) in JourneyCaptions.Pairs(0))
        foreach (
            var road in (int[][])
                [
                    [],
                    [2],
                    [3, 1],
                    [1, 3, 2, 0],
                ]
        )
        foreach (var back in (bool[])[true, false])
        {
            Assert.True(
                JourneyCaptions.TryParse(
                    JourneyCaptions.Describe(coat, hat, road, back),
                    out var c,
                    out var h,
                    out var r
                )
            );
            Assert.Equal((coat, hat), (c, h));
            Assert.Equal(road.Length == 0 ? null : road, r);
        }
    }

    [Fact]
    public void A_take_names_its_road_or_leaves_it_open()
    {
        var take = JourneyTake.Long(new Rng(1), 0, 1) with { Biomes = [1, 3, 2, 0], RoadNamed = true };
        const string start = "a traveller in a red coat and a top hat walks";
        Assert.Equal($"{start} through forest, desert, city and meadow, and back", JourneyCaptions.Describe(take));
        Assert.Equal(start, JourneyCaptions.Describe(take with { RoadNamed = false }));
        Assert.Equal($"{start} through forest", JourneyCaptions.Describe(take with { Turn = null, Frames = 81 }));
    }

    [Theory]
    [InlineData("through the woods and a big town, past fields, in a blue coat", 4, null, new[] { 1, 2, 0 })]
    [InlineData("A walk over the DUNES into the city", null, null, new[] { 3, 2 })]
    [InlineData("city, then forest, then city again, with a wizard hat", null, 2, new[] { 2, 1 })]
    [InlineData("someone in a teal coat and a cap", 3, 3, null)]
    public void Free_prompts_are_read(string prompt, int? coat, int? hat, int[]? road)
    {
        Assert.True(JourneyCaptions.TryParse(prompt, out var c, out var h, out var r));
        Assert.Equal((coat, hat), (c, h));
        Assert.Equal(road, r);
    }

    [Fact]
    public void A_prompt_may_say_nothing() =>
        Assert.False(JourneyCaptions.TryParse("a boat on a stormy sea", out _, out _, out _));

    [Fact]
    public void All_holds_what_takes_and_clips_are_called()
    {
        var all = JourneyCaptions.All.ToHashSet();
        Assert.Equal(24 * (1 + 2 * (4 + 12 + 24)), all.Count);
        for (var i = 0; i < 300; i++)
        {
            Assert.Contains(JourneyCaptions.Describe(JourneyTake.Clip(new Rng(5, i))), all);
            Assert.Contains(JourneyCaptions.Describe(JourneyTake.Long(new Rng(6, i), i % 6, i % 4)), all);
        }
    }

    [Theory]
    [InlineData(0, 6, 4)]
    [InlineData(.35, 5, 3)]
    [InlineData(.7, 4, 3)]
    [InlineData(1, 3, 2)]
    public void The_gap_narrows_coats_and_hats(double gap, int coats, int hats)
    {
        var pairs = JourneyCaptions.Pairs(gap);
        Assert.Equal((coats, hats), (pairs.Max(p => p.Coat) + 1, pairs.Max(p => p.Hat) + 1));
        Assert.Equal(coats * hats, pairs.Length);
    }
}
