using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Training;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>
/// A phase of a plan beside what was measured: bytes by which the memory of the process that ran it grew at most, files
/// that are mapped (libraries, weights on their way) left out.
/// </summary>
public sealed record Measured(string Name, double Planned, double Resident)
{
    /// <summary>
    /// The part of what was measured by which a plan may be wrong, and the bytes beside it for the allocator and the
    /// runtime.
    /// </summary>
    public const double Share = 0.15,
        Fixed = 30 << 20;

    /// <summary>The tolerance in words.</summary>
    public static string Tolerance => $"{Share:0 %} and {Fixed / (1 << 20):0} MiB";

    /// <summary>Planned over measured, less one.</summary>
    public double Error => Planned / Resident - 1;

    /// <summary>Whether plan and measurement agree within the tolerance.</summary>
    public bool Agrees => Math.Abs(Planned - Resident) <= Share * Resident + Fixed;
}

/// <summary>
/// Runs what a plan is of, with random weights and random video on this machine's CPU, and counts the memory it takes.
/// On one thread, so that the count does not depend on how far threads overlap. It is for a process that does nothing
/// else, started with <see cref="Variables"/>: libtorch's tensors are counted by what the system gives the process.
/// </summary>
public static class PeakTrial
{
    // Pieces that every corpus of these lines has.
    private static readonly string[] captions =
    [
        "a cat in a hat",
        "a red cat",
        "the hat is red",
        "the cat at the door",
    ];

    /// <summary>
    /// What the process of a trial needs in its environment: the C library gives back what is freed at once, where else
    /// it keeps up to a gigabyte for what comes next, and the collector lets little garbage gather.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Variables { get; } =
        new Dictionary<string, string>
        {
            ["MALLOC_TRIM_THRESHOLD_"] = "131072",
            ["MALLOC_MMAP_THRESHOLD_"] = "131072",
            ["MALLOC_ARENA_MAX"] = "2",
            ["DOTNET_GCgen0size"] = "400000",
        };

    /// <summary>Why memory cannot be measured on this system; null where it can.</summary>
    public static string? Unmeasurable => ResidentMemory.Unmeasurable;

    /// <summary>A video computed in a type: sampling and decoding, planned and measured.</summary>
    public static IReadOnlyList<Measured> Video(ResolvedRequest request, ScalarType dtype)
    {
        Libtorch.Threads = 1;
        using var folder = new Scratch();
        var student = request.Network is Network.DmHead or Network.FmHead;
        var c = Folder(request.Model, folder["model"], student);
        using var files = ModelFiles.Open(folder["model"]);
        request = request with
        {
            Model = c,
            Weights = files.Require(student ? PartKind.Student : PartKind.Transformer),
        };
        var plan = GeneratePlan.Of(request, Tensor.SizeOf(dtype), threads: 1);
        double Phase(string name) => plan.Phases.Single(p => p.Name == name).Bytes;
        Warm();
        using var scope = torch.NewDisposeScope();
        var memory = new ResidentMemory();
        using var video = new VideoGenerator(files, request, dtype);
        ResidentMemory.Restart();
        var latents = video.Sample(request);
        var sampling = new Measured("sampling", Phase("sampling"), memory.Growth());
        ResidentMemory.Restart();
        foreach (var _ in video.Decode(latents)) { }
        return [sampling, new("decoding", Phase("decoding"), memory.Growth())];
    }

    /// <summary>
    /// A stage: its second and third step (the first makes the moments) with validation, planned and measured.
    /// </summary>
    public static Measured Stage(ModelConfig c, StageConfig stage)
    {
        Libtorch.Threads = 1;
        using var folder = new Scratch();
        c = Folder(c, folder["model"], student: false);
        Videos(c, folder["data"]);
        stage = stage with
        {
            Loop = stage.Loop with { Steps = 3, LogEvery = 1, ValidateEvery = 2, CheckpointEvery = 3, SampleEvery = 0 },
        };
        if (stage.Method == Mmm.Entry.Name)
            stage = stage.With((MmmConfig)stage.Settings(Mmm.Entry) with { CriticFirst = 0 });
        var recipe = new TrainRecipe
        {
            From = folder["model"],
            Data = folder["data"],
            Out = folder["run"],
            Device = "cpu",
            Threads = 1,
            Stages = [stage],
        };
        Warm();
        var memory = new ResidentMemory();
        new Trainer(
            recipe,
            _ => new Steps(step =>
            {
                if (step == 1)
                    ResidentMemory.Restart();
            }),
            default
        ).Run();
        return new(stage.Folder, TrainPlan.Of(c, stage, threads: 1)!.Fullest.Bytes, memory.Growth());
    }

    private sealed class Steps(Action<long> done) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            if (value.Unit == "steps")
                done(value.Done);
        }
    }

    // Everything once, small: the runtime compiles, and libtorch makes what it keeps.
    private static void Warm()
    {
        using var scope = torch.NewDisposeScope();
        using var random = new torch.Generator(1);
        var c = new WanConfig
        {
            TextLength = 8,
            InChannels = 4,
            OutChannels = 4,
            Dim = 32,
            FfnDim = 64,
            FreqDim = 16,
            TextDim = 8,
            Heads = 2,
            Layers = 2,
        };
        var vae = new WanVaeConfig
        {
            Dim = 16,
            ZDim = 4,
            DimMult = [1, 2],
            ResBlocks = 1,
            TemporalDownsample = [true],
            Mean = [],
            Std = [],
        };
        using (var weights = Weights.Create(new Rng(1)))
        {
            var network = new WanTransformer(weights, c);
            weights.Trainable();
            var (x, text) = (
                torch.randn([1, 4, 4, 16, 16], generator: random),
                torch.randn([1, 8, 8], generator: random)
            );
            network.Forward(x, torch.full([1], 500.0), text).sum().Backward();
            using var off = torch.no_grad();
            network.Forward(x, torch.full([1], 500.0), text);
        }
        using (torch.no_grad())
        using (var weights = Weights.Create(new Rng(1), ScalarType.BFloat16))
        {
            var coder = new WanVae(weights, vae);
            coder.Encode(coder.Decode(torch.randn([1, 4, 3, 16, 16], generator: random)));
        }
    }

    /// <summary>
    /// A model folder of random weights, all of them small; returns its config, whose vocabulary is the tokenizer's.
    /// </summary>
    private static ModelConfig Folder(ModelConfig c, string path, bool student)
    {
        Directory.CreateDirectory(path);
        var words = WordVocabulary.Train(captions, 40);
        words.Save(Path.Combine(path, "tokens.model"));
        c = c with { Text = c.Text with { Vocab = words.Count } };
        var folder = ModelFolder.Create(path, c);
        File.Copy(Path.Combine(path, "tokens.model"), folder.TokenizerFile);
        Part(ModelFolder.Vae, w => _ = c.Model.Autoencoder(w));
        Part(ModelFolder.Text, w => _ = new UmT5Encoder(w, c.Text));
        if (student)
            Part(ModelFolder.Student, w => _ = new DecoupledTransformer(w, c.Model, c.HeadBlocks));
        else
            Part(ModelFolder.Teacher, w => _ = new Transformer(w, c.Model));
        return c;

        void Part(string part, Action<Weights> make)
        {
            using var weights = Weights.Create(new Rng(1), ScalarType.BFloat16);
            make(weights);
            folder.Save(part, weights);
        }
    }

    private static void Videos(ModelConfig c, string folder)
    {
        var frames = c.Frames(c.VideoLatents);
        Directory.CreateDirectory(folder);
        string Video(int i)
        {
            var path = Path.Combine(folder, $"take-{i}.mp4");
            using var writer = new VideoWriter(path, c.Width, c.Height, c.Fps);
            var (random, bytes) = (new Random(i), new byte[c.Width * c.Height * 3]);
            for (var frame = 0; frame < frames; frame++)
            {
                random.NextBytes(bytes);
                writer.Write(bytes);
            }
            writer.Complete();
            return path;
        }
        VideoSet.Write(
            folder,
            new(
                c.Fps,
                [],
                [
                    .. Enumerable
                        .Range(0, 2)
                        .Select(i => new Footage(
                            $"take-{i}",
                            Video(i),
                            $"{i}",
                            0,
                            null,
                            c.Fps,
                            (int)frames,
                            c.Width,
                            c.Height,
                            null
                        )),
                ],
                [
                    .. Enumerable
                        .Range(0, 2)
                        .Select(i => new VideoItem(
                            new($"take-{i}", "take", c.VideoLatents, captions[i]) { HeldOut = i == 1 },
                            $"take-{i}",
                            0,
                            (int)frames
                        )),
                ]
            )
        );
    }

    private sealed class Scratch : IDisposable
    {
        private readonly string root = Directory.CreateTempSubdirectory("longtake-plan-").FullName;

        public string this[string name] => Path.Combine(root, name);

        public void Dispose() => Directory.Delete(root, recursive: true);
    }
}
