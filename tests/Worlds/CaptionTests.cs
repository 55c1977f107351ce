using LongTake.Worlds;

namespace LongTake.Tests.Worlds;

public class CaptionTests
{
    [Fact]
    public void Every_global_caption_is_read_back()
    {
        for (var coat = 0; coat < 6; coat++)
        for (var hat = 0; hat < 4; hat++)
            foreach (var lm in new int?[] { null, 0, 1, 2 })
            {
                Assert.True(Captions.TryParse(Captions.Describe(coat, hat, lm), out var c, out var h, out var l));
                Assert.Equal((coat, hat, lm), (c, h, l));
            }
    }

    [Theory]
    [InlineData("A blue lighthouse, and a TRAVELLER with a top hat in a Red coat", 0, 1, 1)]
    [InlineData("coat green, lighthouse pink, wizard hat", 2, 2, 2)]
    [InlineData("someone in a violet jacket and an orange cap", 5, 3, null)]
    [InlineData("a bareheaded walker", null, 0, null)]
    [InlineData("a lighthouse of blue with a coat of red", 0, null, 1)]
    [InlineData("a purple wizard's hat", null, 2, null)]
    public void Free_prompts_are_read(string prompt, int? coat, int? hat, int? lm)
    {
        Assert.True(Captions.TryParse(prompt, out var c, out var h, out var l));
        Assert.Equal((coat, hat, lm), (c, h, l));
    }

    [Fact]
    public void A_prompt_may_say_nothing()
    {
        Assert.False(Captions.TryParse("a boat on a stormy sea", out var coat, out var hat, out var lm));
        Assert.Equal((null, null, null), (coat, hat, lm));
    }

    [Fact]
    public void All_holds_what_takes_are_called()
    {
        var all = Captions.All.ToHashSet();
        Assert.Equal(24 * 4 + 24, all.Count);
        for (var i = 0; i < 200; i++)
        {
            var clip = TravellerTake.Clip(new Rng(5, i));
            Assert.Contains(Captions.Describe(clip), all);
            Assert.Contains(Captions.Local(clip, 40), all);
        }
    }

    [Fact]
    public void Local_captions_follow_the_day()
    {
        var take = TravellerTake.Long(new Rng(1), 0, 0);
        Assert.Equal("meadow, dawn", Captions.Local(take, 40));
        Assert.Equal("forest, noon", Captions.Local(take, 400));
        Assert.Equal("city, afternoon", Captions.Local(take, 600));
        Assert.Equal("desert, night", Captions.Local(take, 900));
    }

    [Fact]
    public void Pairs_split_in_8_held_out_and_16_seen()
    {
        Assert.Equal((8, 16), (Captions.HeldOut.Length, Captions.Seen.Length));
        Assert.Equal(24, Captions.HeldOut.Union(Captions.Seen).Distinct().Count());
    }
}
