using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Planning;
using LongTake.Tests.Checkpoints;
using LongTake.Tests.Training;
using LongTake.Training;

namespace LongTake.Tests.Planning;

[Collection(nameof(Alone))]
public class PlanTests
{
    private const double Gib = 1L << 30;

    private static TrainRecipe Read(string name, params string[] sets) => Recipe.Read(Path.Combine(WanStartTests.Recipes(), name), sets, TrainJson.Recipe);

    /// <summary>
    /// Mode seeking at 121 latents with recompute: 1.5 forwards without a graph and one with, which counts four; 4 for mean seeking. The
    /// windows' networks see 32,760 tokens each.
    /// </summary>
    [Fact]
    public void AStepOfTwoHeadsCountsItsForwards()
    {
        var recipe = Read("mmm-30s.json");
        var plan = TrainPlan.Of(recipe.Model!, recipe.Stages[1])!;
        double whole = Flops.Wan(new(), 1, 121, 60, 104).Total, clip = Flops.Wan(new(), 1, 21, 60, 104).Total;
        double Each(string phase) => plan.Phases.Single(p => p.Name == phase).Flops / 64;
        double Autoencoder(int windows) => windows * 0.9 * (Flops.Vae(new(), true, 7, 60, 104) + Flops.Vae(new(), false, 1, 60, 104));
        Assert.Equal(4 * whole, Each("mean seeking"), 1e10);
        Assert.Equal(5.5 * whole + 4 * 3 * clip + Autoencoder(4), Each("mode seeking"), 1e10);
        Assert.Equal(5 * (4 * 4 * clip + Autoencoder(4)), Each("critic"), 1e10);
        Assert.Equal(600, plan.Times);
    }

    /// <summary>Adam's 16 bytes a weight, and 4 more for the average, before any activation.</summary>
    [Fact]
    public void TheStateOfTrainingIsCounted()
    {
        var recipe = Read("mmm-30s.json");
        var phase = TrainPlan.Of(recipe.Model!, recipe.Stages[1])!.Phases.Single(p => p.Name == "mode seeking");
        double Of(string kind) => phase.Memory.Single(m => m.Name == kind).Value;
        double wan = 1_418_996_800, student = wan + 5 * 46_427_136 + 3_072 + 98_368;
        Assert.Equal(4 * (wan + student), Of("weights"), 4e6);
        Assert.Equal(8 * (wan + student), Of("moments"), 8e6);
        Assert.Equal(4 * student, Of("moving average"), 4e6);
        Assert.Equal(4 * student, Of("gradients"), 4e6);
        // Recomputed, a block keeps its input alone: 188,760 tokens of 1,536 numbers of 4 bytes.
        Assert.InRange(Of("activations"), 30.0 * 188_760 * 1536 * 4, 30.0 * 188_760 * 1536 * 4 * 1.1);
    }

    [Fact]
    public void RecomputeIsWhatMakesItFitWhereItDoes()
    {
        var recipe = Read("long-sft.json", "model.filmLatents=61");
        var stage = recipe.Stages[0] with { Loop = recipe.Stages[0].Loop with { Recompute = false } };
        var plan = TrainPlan.Of(recipe.Model!, stage)!;
        Assert.True(plan.Fullest.Bytes > 141 * Gib);
        var remedies = Fitting.Remedies(TrainPlan.Alternatives(recipe.Model!, stage), 80 * Gib);
        Assert.Equal("loop.recompute true", remedies[0].Setting);
        Assert.All(remedies, r => Assert.True(r.Plan.Fullest.Bytes <= 80 * Gib));
        Assert.Empty(Fitting.Remedies(TrainPlan.Alternatives(recipe.Model!, stage), 10 * Gib));
    }

    [Fact]
    public void AutoencoderStagesAreNotPlanned() => Assert.Null(TrainPlan.Of(new(), new() { Method = Autoencoder.Entry.Name }));

    /// <summary>Small enough for a test, large enough that activations count: within 10 %; the page has the larger sizes.</summary>
    [Theory]
    [InlineData("LongSft", false)]
    [InlineData("LongSft", true)]
    [InlineData("Mmm", false)]
    [InlineData("Mmm", true)]
    public void TrainingTakesWhatWasPlanned(string method, bool recompute)
    {
        var threads = Libtorch.Threads;
        var measured = PeakTrial.Stage(WanTiny.Config, new StageConfig { Method = method, Loop = new() { Recompute = recompute } }.With(new FlowMatchingConfig { Batch = 1 }));
        Libtorch.Threads = threads;
        Assert.InRange(measured.Error, -0.1, 0.1);
    }

    [Theory]
    [InlineData(Speaker.DmHead)]
    [InlineData(Speaker.Teacher)]
    [InlineData(Speaker.DmHead, true)]
    public void AFilmTakesWhatWasPlanned(Speaker speaker, bool int8 = false)
    {
        var threads = Libtorch.Threads;
        var measured = PeakTrial.Film(WanTiny.Config, new() { Prompt = "a red cat", Speaker = speaker, Frames = speaker == Speaker.Teacher ? 5 : 13, Steps = 2, Int8 = int8 });
        Libtorch.Threads = threads;
        Assert.All(measured, m => Assert.True(Math.Abs(m.Error) <= 0.1, $"{m.Name}: planned {m.Planned:#,0}, measured {m.Tensors:#,0}"));
    }
}
