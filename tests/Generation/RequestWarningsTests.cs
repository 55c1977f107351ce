using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Worlds;

namespace LongTake.Tests.Generation;

/// <summary>What a model will not do is said, and nothing else; what was given counts, zero too.</summary>
public sealed class RequestWarningsTests : IDisposable
{
    private readonly ModelFiles model = ModelFiles.Open(Path.Combine(SourceFiles.Root, "models", "traveller"));

    public void Dispose() => model.Dispose();

    private static readonly VideoRequest plain = new() { Prompt = "a traveller in a red coat and a cap walks" };

    private string Warnings(VideoRequest request) => string.Join('\n', request.Resolve(model).Warnings);

    [Fact]
    public void APlainRequestHasNone()
    {
        Assert.Equal("", Warnings(plain));
        Assert.Equal("", Warnings(plain with { Guidance = 1, Seed = 0 }));
        foreach (var caption in Captions.All.Take(200))
            Assert.Equal("", Warnings(plain with { Prompt = caption }));
    }

    [Fact]
    public void WordsThatTheModelHasNeverReadAreNamed()
    {
        Assert.Contains("lighthose, Red", Warnings(plain with { Prompt = "a lighthose in a Red coat" }));
        Assert.Contains("一", Warnings(plain with { Prompt = "一" }));
        var list = WordVocabulary.Train(Captions.All, 1000);
        var words = (WordVocabulary)Vocabulary.Open(Path.Combine(model.Path, ModelFolder.Words));
        Assert.Empty(Captions.All.SelectMany(words.Unread));
        Assert.Equal(list.Count, words.Count);
    }

    [Fact]
    public void WhatDoesNothingIsSaid()
    {
        Assert.Contains("negative prompt does nothing", Warnings(plain with { NegativePrompt = "a cap" }));
        Assert.Contains("guidance 5", Warnings(plain with { Guidance = 5 }));
        Assert.Contains("guidance 0", Warnings(plain with { Guidance = 0 }));
        Assert.Contains("has a bar", Warnings(plain with { Prompt = "a cap | a coat" }));
    }

    [Fact]
    public void AVideoBeyondThePositionsOfTheModelIsRefused()
    {
        var refused = Assert.Throws<RequestException>(() =>
            (plain with { Beyond = true, Seconds = 122 }).Resolve(model)
        );
        Assert.Contains("at most 61", refused.Message);
        Assert.Equal(
            1953,
            (plain with { Beyond = true, Seconds = 122, Network = Network.Teacher }).Resolve(model).Frames
        );
    }

    [Fact]
    public void ASeedIsTheOneGivenOrOneThatIsDrawn()
    {
        Assert.Equal(0, plain.Resolve(model).Seed);
        Assert.Equal(0, (plain with { Seed = 0 }).Resolve(model).Seed);
        Assert.Equal(long.MaxValue, (plain with { Seed = long.MaxValue }).Resolve(model).Seed);
        var drawn = Enumerable.Range(0, 4).Select(_ => (plain with { Seed = -1 }).Resolve(model).Seed).ToList();
        Assert.True(drawn.All(s => s >= 0) && drawn.Distinct().Count() > 1);
        Assert.Contains(
            "seed -2",
            Assert.Throws<RequestException>(() => (plain with { Seed = -2 }).Resolve(model)).Message
        );
        Assert.Contains(
            "steps 0",
            Assert.Throws<RequestException>(() => (plain with { Steps = 0 }).Resolve(model)).Message
        );
    }
}
