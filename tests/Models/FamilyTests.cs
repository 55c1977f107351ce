using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Tests.Examples;
using LongTake.Training;

namespace LongTake.Tests.Models;

/// <summary>A family that is no Wan goes through every door that the contract opens.</summary>
[Collection(nameof(Alone))]
public sealed class FamilyTests : IDisposable
{
    private readonly TinyModel tiny;

    static FamilyTests() => VideoModel.Families["Pool"] = c => new PoolFamily(c);

    public FamilyTests() =>
        tiny = TinyModel.Of(c =>
            c with
            {
                Family = "Pool",
                Sizes = new JsonObject { ["dim"] = 24, ["blocks"] = 3 },
                Width = 32,
                Height = 32,
                VideoLatents = 5,
            }
        );

    public void Dispose() => tiny.Dispose();

    [Fact]
    public void ItIsTrainedByEveryKindOfMethodAndMakesVideos()
    {
        var threads = Libtorch.Threads;
        try
        {
            var loop = new LoopConfig
            {
                Steps = 2,
                LogEvery = 1,
                ValidateEvery = 2,
                CheckpointEvery = 2,
            };
            StageConfig Stage(string method) => new() { Method = method, Loop = loop };
            var recipe = new TrainRecipe
            {
                From = tiny.Folder.Path,
                Out = Path.Combine(tiny.Folder.Path, "run"),
                Threads = 1,
                World = new()
                {
                    Clips = 6,
                    Takes = 3,
                    HeldOutClips = 1,
                    HeldOutTakes = 1,
                },
                Stages =
                [
                    Stage("LongSft"),
                    Stage("Mmm")
                        .With(
                            new MmmConfig
                            {
                                Windows = 1,
                                CriticWindows = 1,
                                CriticUpdates = 1,
                                CriticFirst = 0,
                            }
                        ),
                    Stage("SelfForcing").With(new SelfForcingConfig { CriticUpdates = 1 }),
                ],
            };
            var model = new Trainer(recipe, _ => null, default).Run();
            Assert.Equal("Pool", model.Config.Family);
            foreach (var network in (Network[])[Network.DmHead, Network.Teacher, Network.Generator])
            {
                var stage = network == Network.DmHead ? "mmm" : "selfforcing";
                using var files = ModelFiles.Open(Path.Combine(recipe.Out, stage, "model"));
                using var scope = torch.NewDisposeScope();
                var request = new VideoRequest
                {
                    Prompt = "a traveller in a red coat",
                    Network = network,
                    Frames = 17,
                    Steps = network == Network.Teacher ? 2 : null,
                };
                using var generator = new VideoGenerator(files, request);
                var latents = generator.Sample(request);
                Assert.Equal([1, 3, 5, 8, 8], latents.shape);
                Assert.True(latents.AllFinite());
                Assert.Equal(17, generator.Decode(latents).Count());
            }
        }
        finally
        {
            Libtorch.Threads = threads;
        }
    }

    [Fact]
    public void AFamilyThatIsNotThereIsNamed()
    {
        var e = Assert.Throws<UserException>(() => new ModelConfig { Family = "Wam" }.Model);
        Assert.Equal("family 'Wam': known are Wan, Miniature, Pool", e.Message);
    }

    [Fact]
    public void SizesThatAFamilyDoesNotReadAreNamed()
    {
        Assert.Contains(new ModelConfig { Miniature = new() }.Problems(), p =>
            p.StartsWith("miniature: the family Wan")
        );
        Assert.Contains(new ModelConfig { Sizes = [] }.Problems(), p => p.StartsWith("sizes: the family Wan"));
        Assert.DoesNotContain(tiny.Folder.Config.Problems(), p => p.StartsWith("sizes"));
    }
}
