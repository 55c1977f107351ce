using System.Text.Json.Nodes;
using LongTake.Cli;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Training;
using LongTake.Training;

namespace LongTake.Tests.Cli;

public class PlanTests
{
    private const double Gib = 1L << 30;

    private static TrainRecipe Read(string name, params string[] sets) =>
        Recipe.Read(Path.Combine(WanStartTests.Recipes(), name), sets, TrainJson.Recipe);

    /// <summary>
    /// Mode seeking at 121 latents with recompute: 1.5 forwards without a graph and one with, which counts four; 4 for
    /// mean seeking. The windows' networks see 32,760 tokens each.
    /// </summary>
    [Fact]
    public void AStepOfTwoHeadsCountsItsForwards()
    {
        var recipe = Read("mmm-30s.json");
        var plan = TrainPlan.Of(recipe.Model!, recipe.Stages[1])!;
        double whole = Flops.Wan(new(), 1, 121, 60, 104).Total,
            clip = Flops.Wan(new(), 1, 21, 60, 104).Total;
        double Each(string phase) => plan.Phases.Single(p => p.Name == phase).Flops / 64;
        double Autoencoder(int windows) =>
            windows * 0.9 * (Flops.Vae(new(), true, 7, 60, 104) + Flops.Vae(new(), false, 1, 60, 104));
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
        double wan = 1_418_996_800,
            student = wan + 5 * 46_427_136 + 3_072 + 98_368;
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
        var recipe = Read("long-sft.json", "model.videoLatents=61");
        var stage = recipe.Stages[0] with { Loop = recipe.Stages[0].Loop with { Recompute = false } };
        var plan = TrainPlan.Of(recipe.Model!, stage)!;
        Assert.True(plan.Fullest.Bytes > 141 * Gib);
        var remedies = Fitting.Remedies(TrainPlan.Alternatives(recipe.Model!, stage), 80 * Gib);
        Assert.Equal("loop.recompute true", remedies[0].Setting);
        Assert.All(remedies, r => Assert.True(r.Plan.Fullest.Bytes <= 80 * Gib));
        Assert.Empty(Fitting.Remedies(TrainPlan.Alternatives(recipe.Model!, stage), 10 * Gib));
    }

    [Fact]
    public void AutoencoderStagesAreNotPlanned() =>
        Assert.Null(TrainPlan.Of(new(), new() { Method = Autoencoder.Entry.Name }));

    /// <summary>
    /// Large enough that resident memory is what tensors take: some hundred MB at the peak. A step of one sample; the
    /// page has larger sizes.
    /// </summary>
    private static readonly ModelConfig trial = new()
    {
        Name = "trial",
        Fps = 16,
        Width = 64,
        Height = 64,
        ClipLatents = 3,
        VideoLatents = 7,
        FewSteps = [1000, 500],
        HeadBlocks = 2,
        Vae = new()
        {
            Dim = 16,
            ZDim = 4,
            DimMult = [1, 2, 4],
            ResBlocks = 2,
            TemporalDownsample = [false, true],
            Mean = [],
            Std = [],
        },
        Text = new(40, 64, 64, 128, 2, 2),
        Wan = new()
        {
            TextLength = 32,
            InChannels = 4,
            OutChannels = 4,
            Dim = 256,
            FfnDim = 1024,
            FreqDim = 64,
            TextDim = 64,
            Heads = 4,
            Layers = 6,
        },
    };

    /// <summary>Methods, with and without recompute.</summary>
    public static TheoryData<string, bool> Trainings =>
        Soak.Full
            ? new()
            {
                { "LongSft", false },
                { "LongSft", true },
                { "Mmm", false },
                { "Mmm", true },
            }
            : new() { { "LongSft", false }, { "Mmm", true } };

    [SkippableTheory]
    [MemberData(nameof(Trainings))]
    public void TrainingTakesWhatWasPlanned(string method, bool recompute)
    {
        var stage = new StageConfig
        {
            Method = method,
            Loop = new() { Recompute = recompute },
        }
            .With(new FlowMatchingConfig { Batch = 1 })
            .With(
                new MmmConfig
                {
                    Windows = 1,
                    CriticWindows = 1,
                    CriticUpdates = 1,
                }
            );
        Agrees(
            file =>
                Recipe.Write(
                    file,
                    new TrainRecipe
                    {
                        From = "nowhere",
                        Model = trial,
                        Stages = [stage],
                    },
                    TrainJson.Recipe
                ),
            1
        );
    }

    [SkippableTheory]
    [InlineData(Network.DmHead, false)]
    [InlineData(Network.Teacher, true)]
    public void AVideoTakesWhatWasPlanned(Network network, bool int8)
    {
        var request = new VideoRequest
        {
            Prompt = "a red cat",
            Network = network,
            Frames = network == Network.Teacher ? 5 : 13,
            Steps = 2,
            Int8 = int8,
        };
        Agrees(
            file =>
                Recipe.Write(
                    file,
                    new VideoRecipe
                    {
                        From = "",
                        Model = trial with
                        {
                            Width = 128,
                            Height = 128,
                            Vae = trial.Vae with { Dim = 32 },
                            Wan = trial.Wan with { Dim = 512, FfnDim = 2048 },
                        },
                        Video = request,
                    },
                    VideoJson.Default.VideoRecipe
                ),
            2
        );
    }

    // The program measures itself in a process of its own.
    private static void Agrees(Action<string> recipe, int phases)
    {
        Skip.If(PeakTrial.Unmeasurable is not null, PeakTrial.Unmeasurable);
        using var program = new CommandLine();
        recipe(program["recipe.json"]);
        using var child = program.Start("plan", "recipe.json", "--measure-peak", "--json");
        var errors = child.StandardError.ReadToEndAsync();
        var output = child.StandardOutput.ReadToEnd();
        child.WaitForExit();
        Assert.True(child.ExitCode == 0, errors.Result);
        var measured = JsonNode.Parse(output)!["measured"]!.AsArray();
        Assert.Equal(phases, measured.Count);
        Assert.All(measured, m => Assert.True((bool)m!["agrees"]!, m!.ToJsonString()));
        Assert.All(measured, m => Assert.True((double)m!["residentBytes"]! > 2 * Measured.Fixed, m!.ToJsonString()));
    }
}
