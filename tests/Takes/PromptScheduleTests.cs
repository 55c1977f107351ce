using LongTake.Generation;

namespace LongTake.Tests.Takes;

public sealed class PromptScheduleTests
{
    [Fact]
    public void ASchedulesPromptsFollowEachOther()
    {
        Assert.Equal(
            [new(0, 20, "a man walks"), new(20, 40.5, "he sits: he rests")],
            PromptSchedule.Read(" 0-20 s: a man walks | 20 - 40.5s : he sits: he rests ")
        );
        Assert.Empty(PromptSchedule.Read("a man walks | he sits"));
        Assert.Empty(PromptSchedule.Read("a man walks[5s] | he sits[10s#]"));
        Assert.Equal(5, PromptSchedule.Read("3-5 s: a | 5-9 s: b", begin: 4)[0].To);
    }

    [Theory]
    [InlineData("1-2 s: a")]
    [InlineData("0-2 s: a | he sits")]
    [InlineData("0-2 s: a | 3-4 s: b")]
    [InlineData("0-2 s: a | 2-2 s: b")]
    [InlineData("0-2 s: ")]
    public void WhatIsNoScheduleIsRefused(string prompt)
    {
        var e = Assert.Throws<RequestException>(() => PromptSchedule.Read(prompt));
        Assert.Equal("prompt", e.Mistakes[0].Setting);
    }
}
