using LongTake.Takes;

namespace LongTake.Tests.Takes;

public sealed class TakeWindowsTests
{
    private static readonly WindowRules whole = new(245, 42, 4, 3),
        clip = new(21, 42, 4, 3),
        endless = new(0, 0, 4, 3);

    /// <summary>Whatever the length, every latent is made once, in windows that the model can make.</summary>
    [Fact]
    public void WindowsMakeEveryLatentOnceAndNoneIsTooLong()
    {
        foreach (var rules in (WindowRules[])[whole, clip, endless])
        foreach (var from in (int[])[0, 1, 2, 3, 5, 21, 244, 245, 300])
        foreach (var to in (int[])[from + 1, from + 2, from + 21, from + 61, from + 245, from + 1000])
        {
            if (rules.Longest == 0 && from is (1 or 2))
            {
                Assert.Throws<UserException>(() => rules.Onward(from, to, 0, 3, 0).ToList());
                continue;
            }
            var at = from;
            foreach (var w in rules.Onward(from, to, origin: Math.Max(0, from - rules.Longest), hold: 3, fade: 16))
            {
                Assert.Equal(at, w.From);
                Assert.InRange(w.To, w.From + 1, w.Start + w.Length);
                Assert.InRange(w.Start, 0, w.From == 0 ? 0 : w.From - 1);
                if (rules.Longest > 0)
                    Assert.InRange(w.Length, 1, rules.Longest);
                else
                    Assert.Equal(0, (w.From - w.Start) % rules.Block);
                at = w.To;
            }
            Assert.Equal(to, at);
        }
    }

    [Fact]
    public void AWindowGoesOnWhileItHasRoom()
    {
        // half of a video: the other half belongs to the same window
        Assert.Equal([new(0, 245, 123, 245, 0)], whole.Onward(123, 245, 0, 3, 16));
        // a full one: a new window, and a rest that is too short for one is made longer and cut
        Assert.Equal([new(242, 245, 245, 487, 16), new(484, 42, 487, 489, 16)], whole.Onward(245, 489, 0, 3, 16));
        Assert.Equal(
            [new(0, 21, 0, 21, 0), new(18, 21, 21, 39, 0), new(36, 21, 39, 45, 0)],
            clip.Onward(0, 45, 0, 3, 0)
        );
    }

    [Fact]
    public void ARemakeUsesTheWindowThatWasMadeThere()
    {
        Assert.Equal(new(0, 245, 93, 124, 4), whole.Inside(93, 124, 245, 0, 4));
        Assert.Equal(new(242, 245, 300, 331, 4), whole.Inside(300, 331, 489, 242, 4));
        // over the end of a window: one around both
        Assert.Equal(new(121, 245, 230, 258, 4), whole.Inside(230, 258, 489, 0, 4));
        Assert.Equal(new(36, 21, 40, 50, 2), clip.Inside(40, 50, 245, 36, 2));
        Assert.Throws<UserException>(() => clip.Inside(40, 60, 245, 36, 4));
    }
}
