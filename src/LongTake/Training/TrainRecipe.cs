using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Training;

/// <summary>
/// One stage of a recipe: a method, its settings, and how the loop is driven. It starts from the model of the stage
/// before.
/// </summary>
public sealed record StageConfig
{
    private readonly Dictionary<Type, object> settings = [];

    /// <summary>Folder of the stage inside the run; the method's name when empty.</summary>
    public string Name { get; init; } = "";

    /// <summary>
    /// One of <see cref="Presets.Methods"/>; its settings are the member that it names, "mmm" for Mmm.
    /// </summary>
    public required string Method { get; init; }
    public LoopConfig Loop { get; init; } = new();
    public OptimiserConfig Optimiser { get; init; } = new();

    /// <summary>The stage's folder name.</summary>
    [JsonIgnore]
    public string Folder => Name.Length > 0 ? Name : Method.ToLowerInvariant();

    /// <summary>Settings of a type, as given or with their defaults.</summary>
    public object Settings(MethodEntry method) => settings.GetValueOrDefault(method.Settings) ?? method.Fresh();

    /// <summary>Whether settings of a method's kind are given.</summary>
    internal bool Has(MethodEntry method) => settings.ContainsKey(method.Settings);

    /// <summary>This stage with these settings of its method.</summary>
    public StageConfig With(object given)
    {
        var stage = this with { };
        stage.settings[given.GetType()] = given;
        return stage;
    }

    // A copy has settings of its own.
    private StageConfig(StageConfig other)
    {
        (settings, Name, Method, Loop, Optimiser) = (
            new(other.settings),
            other.Name,
            other.Method,
            other.Loop,
            other.Optimiser
        );
    }

    internal void Put(object given) => settings[given.GetType()] = given;
}

/// <summary>From nothing, or from a model, to a model.</summary>
public sealed record TrainRecipe
{
    /// <summary>What it is for, in a sentence.</summary>
    public string About { get; init; } = "";

    /// <summary>The run folder.</summary>
    public string Out { get; init; } = "runs/run";

    /// <summary>
    /// What to start from: a model folder, or Wan weights in any layout, which become one inside the run; empty makes a
    /// new model of <see cref="Model"/>.
    /// </summary>
    public string From { get; init; } = "";

    /// <summary>
    /// Sizes of a new model. With weights of another layout: what they do not tell (picture, rate, lengths, few steps,
    /// head blocks). A model folder has its own.
    /// </summary>
    public ModelConfig? Model { get; init; }

    /// <summary>A data set made by 'data ingest'; empty means the procedural world.</summary>
    public string Data { get; init; } = "";
    public WorldDataConfig World { get; init; } = new();

    /// <summary>
    /// Where it is computed: auto (a GPU where there is one), cpu, cuda, cuda:1, mps. A run may go on elsewhere.
    /// </summary>
    public string Device { get; init; } = "auto";

    /// <summary>Threads of an operator; 0 takes all cores.</summary>
    public int Threads { get; init; }
    public required IReadOnlyList<StageConfig> Stages { get; init; }

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems() => Problems(Presets.Methods);

    /// <summary>The recipe's problems where other methods are known.</summary>
    public IEnumerable<string> Problems(IReadOnlyList<MethodEntry> methods)
    {
        if (From.Length == 0)
            foreach (var problem in (Model ?? new()).Problems())
                yield return $"model.{problem}";
        if (Data.Length == 0)
            foreach (var problem in World.Problems())
                yield return $"world.{problem}";
        if (ComputeDevice.Problem(Device) is { } wrong)
            yield return wrong;
        if (Stages.Count == 0)
            yield return "stages: give at least one";
        else if (From.Length == 0 && methods.FirstOrDefault(m => m.Name == Stages[0].Method) is { FromNothing: false })
            yield return $"stages[0] ({Stages[0].Method}) needs a model to start from: set \"from\", or put an "
                + $"Autoencoder stage before it";
        if (Stages.GroupBy(s => s.Folder).FirstOrDefault(g => g.Count() > 1) is { } twice)
            yield return $"stages: two are called '{twice.Key}'; give them names";
        for (var i = 0; i < Stages.Count; i++)
        {
            var (s, at) = (Stages[i], $"stages[{i}]");
            if (methods.FirstOrDefault(m => m.Name == s.Method) is not { } method)
                yield return $"{at}.method: given \"{s.Method}\"; {Instead(s.Method, methods)}";
            else
            {
                foreach (var problem in method.Problems(s.Settings(method)))
                    yield return $"{at}.{method.Member}.{problem}";
                foreach (var other in methods.Where(m => m.Settings != method.Settings && s.Has(m)))
                    yield return $"{at}.{other.Member}: settings of another method; this stage is {s.Method}";
            }
            if (s.Loop.Steps < 1)
                yield return $"{at}.loop.steps {s.Loop.Steps}: at least 1";
            if (
                s.Method == "Autoencoder"
                && s.Loop.Steps > 1
                && From.Length == 0
                && Model is { AutoencoderTrains: false }
            )
                yield return $"{at}.loop.steps {s.Loop.Steps}: this autoencoder is fitted, not trained; give it 1";
            if (s.Loop.CheckpointEvery < 1 || s.Loop.LogEvery < 1)
                yield return $"{at}.loop: checkpointEvery and logEvery are at least 1";
            if (s.Loop.Accumulation < 1)
                yield return $"{at}.loop.accumulation {s.Loop.Accumulation}: at least 1";
            if (s.Optimiser.Lr <= 0)
                yield return $"{at}.optimiser.lr {s.Optimiser.Lr}: must be positive";
        }
    }

    private static string Instead(string given, IReadOnlyList<MethodEntry> methods)
    {
        var names = methods.Select(m => m.Name).ToList();
        return Suggest.Nearest(given, names) is { } near
            ? $"did you mean '{near}'?"
            : $"allowed is one of {string.Join(", ", names)}";
    }
}

/// <summary>
/// Recipes as JSON. A stage has one member for the settings of each method, as <see cref="Presets.Methods"/> says.
/// </summary>
public static class TrainJson
{
    /// <summary>With the methods that ship.</summary>
    public static JsonTypeInfo<TrainRecipe> Recipe { get; } = With(Presets.Methods);

    /// <summary>With other methods known.</summary>
    public static JsonTypeInfo<TrainRecipe> With(IReadOnlyList<MethodEntry> methods)
    {
        var options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            WriteIndented = true,
            UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
            Converters = { new JsonStringEnumConverter() },
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { info => AddSettings(info, methods) } },
        };
        return (JsonTypeInfo<TrainRecipe>)options.GetTypeInfo(typeof(TrainRecipe));
    }

    private static void AddSettings(JsonTypeInfo info, IReadOnlyList<MethodEntry> methods)
    {
        if (info.Type != typeof(StageConfig))
            return;
        foreach (var method in methods.DistinctBy(m => m.Settings))
        {
            var member = info.CreateJsonPropertyInfo(method.Settings, method.Member);
            member.Get = stage => ((StageConfig)stage).Settings(method);
            member.Set = (stage, settings) => ((StageConfig)stage).Put(settings!);
            // A stage shows the settings of its own method.
            member.ShouldSerialize = (stage, _) =>
                methods.Any(m => m.Name == ((StageConfig)stage).Method && m.Settings == method.Settings);
            info.Properties.Add(member);
        }
    }
}
