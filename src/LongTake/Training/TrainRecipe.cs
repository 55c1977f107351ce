using System.Text.Json.Serialization;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Training;

/// <summary>What a stage trains.</summary>
public enum StageKind { Autoencoder, Teacher, LongSft, Mmm }

/// <summary>One stage of a recipe: a method, its settings, and how the loop is driven. It starts from the model of the stage before.</summary>
public sealed record StageConfig
{
    /// <summary>Folder of the stage inside the run; the method's name when empty.</summary>
    public string Name { get; init; } = "";
    public required StageKind Method { get; init; }
    public LoopConfig Loop { get; init; } = new();
    public OptimiserConfig Optimiser { get; init; } = new();
    public AutoencoderConfig Autoencoder { get; init; } = new();
    public FlowMatchingConfig FlowMatching { get; init; } = new();
    public MmmConfig Mmm { get; init; } = new();

    /// <summary>The stage's folder name.</summary>
    [JsonIgnore] public string Folder => Name.Length > 0 ? Name : Method.ToString().ToLowerInvariant();
}

/// <summary>From nothing, or from a model, to a model.</summary>
public sealed record TrainRecipe
{
    /// <summary>What it is for, in a sentence.</summary>
    public string About { get; init; } = "";
    /// <summary>The run folder.</summary>
    public string Out { get; init; } = "runs/run";
    /// <summary>A model folder to start from; empty makes a new model of <see cref="Model"/>.</summary>
    public string From { get; init; } = "";
    /// <summary>Sizes of a new model.</summary>
    public ModelConfig Model { get; init; } = new();
    /// <summary>A data set made by 'data ingest'; empty means the procedural world.</summary>
    public string Data { get; init; } = "";
    public WorldDataConfig World { get; init; } = new();
    /// <summary>Threads of an operator; 0 takes all cores.</summary>
    public int Threads { get; init; }
    public required IReadOnlyList<StageConfig> Stages { get; init; }

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (From.Length == 0)
            foreach (var problem in Model.Problems()) yield return $"model.{problem}";
        if (Stages.Count == 0) yield return "stages: give at least one";
        else if (From.Length == 0 && Stages[0].Method != StageKind.Autoencoder)
            yield return $"stages[0] ({Stages[0].Method}) needs a model to start from: set \"from\", or put an Autoencoder stage before it";
        if (Stages.GroupBy(s => s.Folder).FirstOrDefault(g => g.Count() > 1) is { } twice) yield return $"stages: two are called '{twice.Key}'; give them names";
        for (var i = 0; i < Stages.Count; i++)
        {
            var (s, at) = (Stages[i], $"stages[{i}]");
            if (s.Loop.Steps < 1) yield return $"{at}.loop.steps {s.Loop.Steps}: at least 1";
            if (s.Loop.CheckpointEvery < 1 || s.Loop.LogEvery < 1) yield return $"{at}.loop: checkpointEvery and logEvery are at least 1";
            if (s.Loop.Accumulation < 1) yield return $"{at}.loop.accumulation {s.Loop.Accumulation}: at least 1";
            if (s.Optimiser.Lr <= 0) yield return $"{at}.optimiser.lr {s.Optimiser.Lr}: must be positive";
            if (s.Autoencoder.Frames is var f && (f < 1 || (f - 1) % 4 != 0))
                yield return $"{at}.autoencoder.frames {f}: must be 1 + 4k; try {Math.Max(1, (f - 1) / 4 * 4 + 1)} or {Math.Max(1, (f - 1) / 4 * 4 + 5)}";
        }
    }
}

[JsonSerializable(typeof(TrainRecipe))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
public sealed partial class TrainJson : JsonSerializerContext;
