using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Generation;

/// <summary>Videos of a tiny generator: 7 latents where a clip has 3, blocks of one.</summary>
[Collection(nameof(Alone))]
public sealed class GeneratorTests : IDisposable
{
    private readonly TinyModel tiny = new();
    private static readonly VideoRequest request = new() { Prompt = "a traveller in a red coat", Seed = 3 };

    public GeneratorTests()
    {
        using var weights = tiny.Teacher(1, 0.05);
        tiny.Folder.Save(ModelFolder.Generator, weights);
    }

    public void Dispose() => tiny.Dispose();

    private Tensor Video(VideoRequest r)
    {
        using var files = ModelFiles.Open(tiny.Folder.Path);
        using var model = new VideoGenerator(files, r);
        return model.Sample(r);
    }

    [Fact]
    public void AGeneratorIsUsedIfItIsThereInThreeWays()
    {
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        var r = request.Resolve(files);
        Assert.Equal((Network.Generator, Sampler.Causal, 7, 2), (r.Network, r.Sampler, r.Latents, r.Steps));
        Assert.Equal(tiny.Folder.Config.FewSteps, r.Causal().Timesteps);
        var videos = ((Sampler[])[Sampler.Causal, Sampler.Segments, Sampler.InfinityRope])
            .Select(s => Video(request with { Sampler = s }))
            .ToList();
        Assert.All(videos, f => Assert.Equal(tiny.Folder.Config.LatentShape(7), f.shape));
        Assert.False(videos[0].SameAs(videos[1]) || videos[0].SameAs(videos[2]) || videos[1].SameAs(videos[2]));
        Assert.True(videos[1].SameAs(Video(request with { Sampler = Sampler.Segments })));
        Assert.Contains(
            "looks back only",
            Assert.ThrowsAny<UserException>(() => Video(request with { Sampler = Sampler.FewStep })).Message
        );
    }

    /// <summary>Segment after segment by hand: three latents, then twice two behind a re-made first one.</summary>
    [Fact]
    public void SegmentsBeginWithTheLastBlockMadeAnew()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var made = Video(request with { Sampler = Sampler.Segments });
        var (vae, vaeWeights) = tiny.Folder.LoadVae();
        using var owned = vaeWeights;
        using var file = tiny.Folder.OpenPart(ModelFolder.Generator);
        using var weights = Weights.Load(file.Source(), ScalarType.BFloat16);
        var generator = new CausalTransformer(weights, tiny.Folder.Config.Model);
        using var files = ModelFiles.Open(tiny.Folder.Path);
        var how = (request with { Sampler = Sampler.Segments }).Resolve(files).Causal();
        Assert.Equal((0, 3, 1), (how.Window, how.Capacity, how.BlockFrames));
        var (text, textWeights) = tiny.Folder.LoadText();
        using var ownedTextWeights = textWeights;
        using var g = new torch.Generator((ulong)new Rng(3).Seed());
        Tensor Segment(Tensor? known)
        {
            using var cache = how.Cache();
            return CausalRollOut.Generate(
                generator,
                how,
                cache,
                [new(0, text.Encode([request.Prompt]))],
                torch.randn(tiny.Folder.Config.LatentShape(known is null ? 3 : 2), generator: g),
                s => torch.randn(s, generator: g),
                known
            );
        }
        var video = Segment(null);
        while (video.size(2) < 7)
            video = torch.cat([video, Segment(vae.ImageLatent(video, video.size(2) - 1)).Slice(2, 1..)], 2);
        Assert.True(video.SameAs(made));
    }

    [Fact]
    public void ScriptsAreShownSceneByScene()
    {
        using var scope = torch.NewDisposeScope();
        using var files = ModelFiles.Open(tiny.Folder.Path);
        // 8 frames a second and 4 to a latent: two latents a second.
        var script = request with { Prompt = "a traveller[1s] | a hat[1.5s#]" };
        var r = script.Resolve(files);
        Assert.Equal((Sampler.InfinityRope, 5), (r.Sampler, r.Latents));
        Assert.Equal([("a traveller", 2), ("a hat", 3)], r.Scenes.Select(s => (s.Prompt, s.Blocks)));
        var (two, one) = (Video(script), Video(script with { Prompt = "a traveller[2.5s]" }));
        Assert.True(two.Slice(2, ..2).SameAs(one.Slice(2, ..2)));
        Assert.False(two.Slice(2, 2..3).SameAs(one.Slice(2, 2..3)));
        Assert.False(two.SameAs(Video(script with { Prompt = "a traveller[1s#] | a hat[1.5s]" }))); // a cut
        Assert.Contains(
            "scene 2",
            Assert.ThrowsAny<UserException>(() => Video(request with { Prompt = "a[1s] | [2s]" })).Message
        );
    }

    [Fact]
    public void VideosBeyondWhatWasTrainedMustBeAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        var longer = request with { Frames = 33, Sampler = Sampler.Causal }; // 9 latents
        Assert.Contains("videos of 1 to 25 frames", Assert.ThrowsAny<UserException>(() => Video(longer)).Message);
        Assert.Equal(9, Video(longer with { Beyond = true }).size(2));
        Assert.ThrowsAny<UserException>(() => Video(longer with { Beyond = true, Frames = 4 * 28 + 1 }));
    }
}
