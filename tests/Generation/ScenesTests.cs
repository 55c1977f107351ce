using LongTake.Checkpoints;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tests.Checkpoints;

namespace LongTake.Tests.Generation;

/// <summary>Prompts that are scripts, of a tiny Wan that looks back only.</summary>
[Collection(nameof(Alone))]
public sealed class ScenesTests : IDisposable
{
    private readonly WanTiny tiny = new();
    private readonly ModelFiles files;

    public ScenesTests()
    {
        Recipe.Write(
            tiny["own", "config.json"],
            WanTiny.Config with
            {
                VideoLatents = 15,
            },
            ModelJson.Default.ModelConfig
        );
        files = ModelFiles.Open(tiny["own"]);
    }

    public void Dispose()
    {
        files.Dispose();
        tiny.Dispose();
    }

    // Two frames a latent at 16 frames a second: a block of three latents is 0.375 s.
    private static readonly VideoRequest request = new()
    {
        Prompt = "a red cat[0.4s] | the hat[0.8s#] | the door[0.4s]",
        Seed = 3,
        Steps = 4,
        Sampler = Sampler.InfinityRope,
    };

    [Fact]
    public void TheScenesMakeTheLength()
    {
        var r = request.Resolve(files);
        Assert.Equal((23, 12), (r.Frames, r.Latents));
    }

    [Fact]
    public void TheVideoIsTheRollOutOfTheScenes()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var c = files.Config;
        using var model = new VideoGenerator(files, request, ScalarType.Float32);
        var calls = new List<(long, long)>();
        var video = model.Sample(request, new Heard(p => calls.Add((p.Done, p.Total))));
        Assert.Equal((20L, 20L), calls[^1]);

        using var textWeights = Weights.Load(files.Require(PartKind.TextEncoder).Source());
        var text = new TextEncoder(textWeights, c.Text, Vocabulary.Read(files.Tokenizer!), c.Wan.TextLength);
        using var weights = Weights.Load(files.Require(PartKind.Transformer).Source());
        using var cache = new KvCache(6, sink: 1, CachePositions.Pinned);
        using var g = new torch.Generator((ulong)new Rng(3).Seed());
        Tensor Say(string words) => text.Encode([words]);
        var how = new CausalSampling { BlockFrames = 3, Timesteps = new FlowTable(5).Warp([1000, 750, 500, 250]) };
        CausalScene[] scenes =
        [
            new(0, Say("a red cat")),
            new(3, Say("the hat"), PromptSwitch.Flush),
            new(9, Say("the door"), PromptSwitch.FlushAndCut),
        ];
        Near.Equal(
            CausalRollOut.Generate(
                new CausalTransformer(weights, c.Model, ScalarType.Float32),
                how,
                cache,
                scenes,
                torch.randn([1, 4, 12, 4, 4], generator: g),
                shape => torch.randn(shape, generator: g)
            ),
            video,
            1e-5
        );

        // a cut changes what follows
        Assert.False(video.SameAs(model.Sample(request with { Prompt = request.Prompt.Replace("#", "") })));
        Assert.False(video.SameAs(model.Sample(request with { Prompt = request.Prompt.Replace("hat", "cat") })));
    }

    [Theory]
    [InlineData("a cat[0.4s] | [1s]", "scene 2")]
    [InlineData("a cat[5 sec] | a hat[1s]", "'[5 sec]' is no duration")]
    [InlineData("a cat[5s]", "come to 77 frames; this model makes videos of at most 29")]
    [InlineData("a cat[99999s]", "3600 at most")]
    public void MistakesAreTold(string prompt, string said)
    {
        var e = Assert.ThrowsAny<UserException>(() => (request with { Prompt = prompt }).Resolve(files));
        Assert.Contains(said, e.Message);
        Assert.True(e.Usage);
    }

    [Fact]
    public void OtherModelsTakeOnePrompt()
    {
        Assert.Contains(
            "this one makes one scene a video",
            Assert.ThrowsAny<UserException>(() => (request with { Sampler = null }).Resolve(files)).Message
        );
        // no duration: a text like any other
        Assert.NotNull((request with { Sampler = null, Prompt = "a cat | a hat" }).Resolve(files));
    }
}
