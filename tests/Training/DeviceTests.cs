using System.Runtime.InteropServices;
using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;
using LongTake.Training;
using Descent = LongTake.Nn.Optimiser;

namespace LongTake.Tests.Training;

/// <summary>
/// Steps on libtorch's device "meta", whose tensors have shapes and no numbers. An operator that is given one of them
/// and one of the CPU throws, as it would on a GPU: so a tensor that was not moved is found without one.
/// </summary>
[Collection(nameof(Alone))]
public sealed partial class DeviceTests
{
    private static readonly torch.Device meta = new(DeviceType.META);

    static DeviceTests() => MetaKernels.Register();

    /// <summary>
    /// The options of the bundled miniature: axial heads, a map for each place, a linear path in the autoencoder.
    /// </summary>
    internal static ModelConfig Miniature(ModelConfig c) =>
        c with
        {
            Family = "Miniature",
            Miniature = new()
            {
                Tokens = 4,
                AbsoluteTimeBeyond = 3,
                Autoencoder = MiniatureVaeKind.WanAndLinear,
            },
        };

    public static TheoryData<string, bool> Steps()
    {
        var all = new TheoryData<string, bool>();
        foreach (var name in Presets.Methods.Select(m => m.Name))
        foreach (var miniature in (bool[])[false, true])
            all.Add(name, miniature);
        return all;
    }

    private static object Settings(string name) =>
        name switch
        {
            "Autoencoder" => new AutoencoderConfig
            {
                Batch = 2,
                Frames = 5,
                LinearFit = 4,
            },
            "MixSft" => new MixSftConfig { Lengths = [3, 5, 7], Batch = 12 },
            "OdeInit" => new OdeInitConfig
            {
                Batch = 2,
                Pairs = 2,
                HeldOut = 1,
                Together = 2,
                StepsBetween = 1,
            },
            "CausVid" => new CausVidConfig { Batch = 3 },
            "SelfForcing" => new SelfForcingConfig { Batch = 2 },
            "Mmm" => new MmmConfig
            {
                Windows = 3,
                CriticWindows = 2,
                FirstWindow = 0.3,
                Anchor = 0.25,
                LocalCaptions = true,
            },
            _ => new FlowMatchingConfig { Batch = 2 },
        };

    private static MethodEntry Entry(string name) => Presets.Methods.First(m => m.Name == name);

    [Theory]
    [MemberData(nameof(Steps))]
    public void AStepOfEachMethodIsAllOnItsDevice(string name, bool miniature)
    {
        using var tiny = TinyModel.Of(c => miniature ? Miniature(c) : c);
        // leaves the teacher's trajectories, with numbers
        if (name == "OdeInit")
            Entry(name).Build(tiny.Stage(), Settings(name)).Dispose();
        Run(Entry(name), Settings(name), tiny.Stage(meta), 3);
    }

    public static TheoryData<string> Switches() => [.. Variants.Keys];

    private static Dictionary<string, (string Method, object Settings)> Variants { get; } =
        new()
        {
            ["noise instead of a KL term"] = (
                "Autoencoder",
                new AutoencoderConfig
                {
                    Batch = 2,
                    Frames = 5,
                    Kl = 0,
                }
            ),
            ["score identity"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    FirstWindow = 0,
                    Surrogate = Surrogate.Sid,
                }
            ),
            ["noised takes"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    FirstWindow = 0,
                    RollOut = RollOut.NoisedReal,
                }
            ),
            ["raw boundary"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    FirstWindow = 0,
                    Boundary = Boundary.Raw,
                }
            ),
            ["boundary left out"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    FirstWindow = 0,
                    Boundary = Boundary.Skip,
                }
            ),
            ["one head"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    FirstWindow = 0,
                    SingleHead = true,
                }
            ),
            ["weighted levels"] = (
                "Mmm",
                new MmmConfig
                {
                    Windows = 2,
                    CriticWindows = 2,
                    SftLevels = LevelSampling.Uniform,
                    SftWeighting = LevelWeighting.Bump,
                    CompareGradientsEvery = 1,
                }
            ),
        };

    [Theory]
    [MemberData(nameof(Switches))]
    public void SoIsAStepOfEachVariant(string name)
    {
        using var tiny = new TinyModel();
        Run(Entry(Variants[name].Method), Variants[name].Settings, tiny.Stage(meta), 2);
    }

    [Theory]
    [InlineData("LongSft")]
    [InlineData("Mmm")]
    [InlineData("CausVid")]
    public void SoIsAStepThatComputesItsBlocksAgain(string name)
    {
        using var tiny = new TinyModel();
        Run(Entry(name), Settings(name), tiny.Stage(meta, recompute: true), 1);
    }

    [Fact]
    public void SoAreTheTeachersTrajectories()
    {
        using var tiny = new TinyModel();
        using var scope = torch.NewDisposeScope();
        var (text, textWeights) = tiny.Folder.LoadText(meta);
        var (teacher, teacherWeights) = tiny.Folder.LoadTransformer(ModelFolder.Teacher, ScalarType.BFloat16, meta);
        using var owned = textWeights;
        using var also = teacherWeights;
        var states = OdePairs.Trajectories(
            teacher.Forward,
            tiny.Folder.Config,
            new() { StepsBetween = 2 },
            text,
            ["a traveller", "a hat"],
            7
        );
        Assert.Equal([3, 4, 3, 4, 4], states[0].shape);
        Assert.All(states, s => Assert.Equal(DeviceType.META, s.device_type));
        Assert.Empty(MetaKernels.TakeMixed());
    }

    /// <summary>What this class relies on: the two devices do not mix.</summary>
    [Fact]
    public void AForgottenTensorThrows()
    {
        using var scope = torch.NewDisposeScope();
        var (here, there) = (torch.ones([2, 3]), torch.ones([2, 3]).to(meta));
        Assert.Throws<ExternalException>(() => here + there);
        Assert.Throws<ExternalException>(() => there * here);
        foreach (
            var silent in (Func<Tensor>[])
                [
                    () => torch.cat([here, there]),
                    () => there.matmul(here.transpose(0, 1)),
                    () => torch.where(here.eq(1), there, there),
                ]
        )
        {
            silent(); // a kernel of these tests
            Assert.Contains("on cpu", Assert.Single(MetaKernels.TakeMixed()));
        }
    }

    [Theory]
    [MemberData(nameof(Steps))]
    public void TheCpuByNameGivesTheNumbersOfTheCpuUnnamed(string name, bool miniature)
    {
        using var tiny = TinyModel.Of(c => miniature ? Miniature(c) : c);
        Assert.Equal(
            Run(Entry(name), Settings(name), tiny.Stage(), 2),
            Run(Entry(name), Settings(name), tiny.Stage(ComputeDevice.Choose("cpu")), 2)
        );
    }

    /// <summary>Iterations as the loop makes them; returns all that was logged.</summary>
    private static List<(string, double)> Run(MethodEntry entry, object settings, Stage stage, int iterations)
    {
        using var scope = torch.NewDisposeScope();
        using var method = entry.Build(stage, settings);
        Assert.All(method.Networks.Values.SelectMany(w => w.Tensors), t =>
            Assert.Equal(stage.Device.type, t.device_type)
        );
        var average = method.Averaged.ToDictionary(n => n, n => Ema.Copy(method.Networks[n]));
        var log = new List<(string, double)>();
        for (var i = 0; i < iterations; i++)
        {
            method.Begin();
            foreach (var update in method.Updates)
            {
                using var inner = torch.NewDisposeScope();
                using var optimiser = new Descent(
                    update.Name,
                    update.Parameters,
                    update.Optimiser with
                    {
                        MuonLr = 0.01,
                    }
                );
                log.AddRange(update.Descend(new Rng(3, i), 1).Select(p => (p.Key, p.Value)));
                Assert.All(update.Parameters, p =>
                    Assert.True(p.Value.grad is not { } g || g.device_type == stage.Device.type)
                );
                log.Add(("norm", optimiser.GradientNorm()));
                optimiser.Step(1, 0.5);
                Assert.All(optimiser.State, m => Assert.Equal(stage.Device.type, m.Value.device_type));
                optimiser.ZeroGrad();
            }
            foreach (var (network, copy) in average)
                Ema.Update(copy, method.Networks[network], 0.9);
        }
        if (method.Validate?.Invoke() is { } held)
            log.AddRange(held.Select(p => (p.Key, p.Value)));
        foreach (var copy in average.Values)
            copy.Dispose();
        Assert.Empty(MetaKernels.TakeMixed());
        return log;
    }
}
