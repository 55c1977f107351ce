using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Tensors;
using LongTake.Training;

namespace LongTake.Cli;

/// <summary>longtake plan PATH</summary>
internal static partial class PlanVerb
{
    private const double Gib = 1L << 30,
        Tera = 1e12;

    // A plan, what would take less, and the work itself for a trial.
    private sealed record Work(
        Plan Plan,
        Func<IEnumerable<Alternative>> Less,
        Action Check,
        Func<IReadOnlyList<Measured>> Try,
        bool IsTraining = false
    );

    public static Command Verb()
    {
        Argument<string> path = new("path")
        {
            Description = "a recipe to train or to generate, a model in any layout, or a model's config.json",
        };
        Option<double?> rate = new("--rate") { Description = "TFLOP/s the work will run at, for the time it takes" };
        Option<bool> measure = new("--measure") { Description = "measure that rate here, by matrix products" };
        Option<double?> memory = new("--device-memory")
        {
            Description = "GiB there are; says what does not fit, and what would",
        };
        Option<bool> trial = new("--measure-peak")
        {
            Description = "run it with random weights (small models) and compare the memory with the plan",
        };
        Option<int?> only = new("--trial") { Hidden = true };
        var (sets, type) = (Options.Sets("model.videoLatents=61 --set video.frames=81"), Options.Dtype());
        var json = Options.Json();
        return Options.Verb(
            "plan",
            "Say what a video or a training will take: parameters, operations, memory, time, disk.",
            [path, sets, rate, measure, memory, type, trial, only, json],
            p =>
                Run(
                    p.GetValue(path)!,
                    p.GetValue(sets) ?? [],
                    p.GetValue(rate),
                    p.GetValue(measure),
                    p.GetValue(memory),
                    ConvertVerb.Type(p.GetValue(type)) ?? ScalarType.BFloat16,
                    p.GetResult(type) is { Implicit: false },
                    p.GetValue(trial),
                    p.GetValue(only),
                    p.GetValue(json)
                )
        );
    }

    private static int Run(
        string path,
        string[] sets,
        double? rate,
        bool measure,
        double? deviceMemory,
        ScalarType dtype,
        bool typeGiven,
        bool trial,
        int? only,
        bool json
    )
    {
        if (rate is <= 0 || deviceMemory is <= 0)
            throw new UserException("--rate and --device-memory: more than 0", usage: true);
        if (rate is not null && measure)
            throw new UserException("--rate together with --measure: give one of them", usage: true);
        var (works, notes) = Read(path, sets, dtype);
        if (typeGiven && works.All(w => w.IsTraining))
            notes.Add("--dtype is of videos: training computes in bf16 and keeps weights in fp32");
        if (only is { } one)
        {
            Console.WriteLine(PeakChild.Text(works[one].Try()));
            return Cli.Run.Done;
        }
        if (measure)
        {
            Cli.Run.UseAllCores();
            rate = MatrixRate(dtype);
        }
        if (trial && PeakTrial.Unmeasurable is { } why)
        {
            notes.Add(why);
            trial = false;
        }
        if (trial)
            foreach (var work in works)
                work.Check();
        var measured = trial ? works.SelectMany((_, i) => PeakChild.Run(path, sets, dtype, i)).ToList() : null;
        var all = works
            .Select(w =>
                (
                    w.Plan,
                    Remedies: deviceMemory is { } room && w.Plan.Fullest.Bytes > room * Gib
                        ? Fitting.Remedies(w.Less(), room * Gib)
                        : null
                )
            )
            .ToList();
        Cli.Run.Print(
            json,
            new JsonObject
            {
                ["path"] = path,
                ["rateTflops"] = rate,
                ["deviceMemoryGib"] = deviceMemory,
                ["notes"] = new JsonArray([.. notes.Select(n => JsonValue.Create(n))]),
                ["plans"] = new JsonArray([.. all.Select(a => Describe(a.Plan, rate, deviceMemory, a.Remedies))]),
                ["measured"] = measured is null ? null : new JsonArray([.. measured.Select(PeakChild.Describe)]),
                ["tolerance"] = measured is null
                    ? null
                    : new JsonObject { ["share"] = Measured.Share, ["bytes"] = Measured.Fixed },
            },
            [
                .. notes.Select(n => $"note: {n}"),
                .. all.SelectMany(a => Lines(a.Plan, rate, measure, deviceMemory, a.Remedies)),
                .. measured is null ? [] : Lines(measured),
            ]
        );
        return Cli.Run.Done;
    }

    private static (IReadOnlyList<Work>, List<string>) Read(string path, string[] sets, ScalarType dtype)
    {
        var notes = new List<string>();
        path = Shipped.Located(path);
        if (Directory.Exists(path) || ModelFiles.AreWeights(path))
            return (
                [
                    Video(
                        new VideoRecipe
                        {
                            From = path,
                            Video = new() { Prompt = "plan" },
                        }
                    ),
                ],
                notes
            );
        if (!File.Exists(path))
            throw new UserException(
                $"{path}: no such file or folder. Give a recipe (recipes/wan-1.3b/mmm-30s.json), a model "
                    + $"folder, or a model's config.json.",
                usage: true
            );
        var members = Inspect.Json(path);
        if (members.ContainsKey("wan"))
            return (
                [
                    Video(
                        new VideoRecipe
                        {
                            From = "",
                            Model = Recipe.Read(path, sets, ModelJson.Default.ModelConfig),
                            Video = new() { Prompt = "plan" },
                        }
                    ),
                ],
                notes
            );
        if (members.ContainsKey("video"))
            return ([Video(Recipe.Read(path, sets, VideoJson.Default.VideoRecipe))], notes);

        var recipe = Recipe.Read(path, sets, TrainJson.Recipe);
        if (string.Join("; ", recipe.Problems()) is { Length: > 0 } problems)
            throw new UserException($"{path}: {problems}", usage: true);
        var c = Config(recipe.From, recipe.Model);
        var works = new List<Work>();
        foreach (var stage in recipe.Stages)
            if (TrainPlan.Of(c, stage) is { } plan)
                works.Add(
                    new(
                        plan,
                        () => TrainPlan.Alternatives(c, stage),
                        () => Small(c),
                        () => [PeakTrial.Stage(c, stage)],
                        true
                    )
                );
            else
                notes.Add(
                    $"stage '{stage.Folder}' ({stage.Method}) is not planned; LongSft, MixSft, Teacher and Mmm are"
                );
        return (works, notes);

        Work Video(VideoRecipe video)
        {
            if (video.From.Length > 0 && Path.Exists(Shipped.Located(video.From)))
            {
                using var files = ModelFiles.Open(Shipped.Located(video.From));
                if (sets.Length > 0 && !path.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                    video = video with
                    {
                        Video = Recipe
                            .Parse("""{ "video": { "prompt": "plan" } }""", path, sets, VideoJson.Default.VideoRecipe)
                            .Video,
                    };
                return Of(video.Video.Resolve(files));
            }
            return Of(video.Video.Resolve(Config(video.From, video.Model)));
        }

        Work Of(ResolvedRequest request)
        {
            double compute = Tensor.SizeOf(dtype);
            return new(
                GeneratePlan.Of(request, compute),
                () => GeneratePlan.Alternatives(request, compute),
                () => Small(request.Model),
                () => PeakTrial.Video(request, dtype)
            );
        }

        ModelConfig Config(string from, ModelConfig? given)
        {
            var at = from.Length > 0 ? Shipped.Located(from) : "";
            if (at.Length > 0 && (Directory.Exists(at) || File.Exists(at)))
            {
                using var start = StartModel.Open(at, given);
                return start.Config;
            }
            if (at.Length > 0)
                notes.Add($"{from} is not here: planned from the recipe's \"model\"");
            var c = given
                ?? (
                    at.Length == 0
                        ? new()
                        : throw new UserException(
                            $"{path}: {from} is not here, and the recipe has no \"model\" to plan with",
                            usage: true
                        )
                );
            return string.Join("; ", c.Problems()) is { Length: > 0 } wrong
                ? throw new UserException($"{path}: model: {wrong}", usage: true)
                : c;
        }
    }

    // A trial is made with random weights and holds the model twice on its way.
    private static void Small(ModelConfig c)
    {
        var size = c.Wan.Layers * (8.0 * c.Wan.Dim * c.Wan.Dim + 2.0 * c.Wan.Dim * c.Wan.FfnDim);
        if (size >= 5e8)
            throw new UserException(
                $"--measure-peak: a trial is run on this machine's CPU, and this model has {Number(size)} "
                    + $"parameters in its blocks; at most 500 M",
                usage: true
            );
    }

    // Best of a few products; one thing that every step spends most of its time with.
    private static double MatrixRate(ScalarType dtype)
    {
        const int n = 2048;
        using var scope = torch.NewDisposeScope();
        var device = ComputeDevice.Choose("auto");
        var a = torch.full([n, n], 1.0 / n).to(dtype).to(device);
        var best = double.MaxValue;
        for (var i = 0; i < 6; i++)
        {
            var start = Stopwatch.GetTimestamp();
            a.matmul(a).Dispose();
            Libtorch.Synchronize(device);
            if (i > 0)
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return 2.0 * n * n * n / best / Tera;
    }
}
