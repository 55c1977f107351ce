using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Models;

namespace LongTake.Training;

/// <summary>What the result of a stage depends on, and how that differs from when the stage began.</summary>
/// <param name="File">Where it is kept.</param>
/// <param name="Now">The settings as the recipe has them now.</param>
/// <param name="Changes">A sentence for each setting that has changed.</param>
internal sealed record StageRecord(string File, JsonObject Now, IReadOnlyList<string> Changes)
{
    /// <summary>Notes the changes, then keeps the settings.</summary>
    public void Begin(Action<string> note)
    {
        foreach (var change in Changes)
            note(change);
        SealedJson.Write(File, Now, Info);
    }

    public static JsonTypeInfo<JsonObject> Info { get; } =
        (JsonTypeInfo<JsonObject>)JsonSerializerOptions.Default.GetTypeInfo(typeof(JsonObject));
}

/// <summary>
/// Compares a recipe with what the stages of its run were trained by (<c>stage.json</c>). Of a finished stage only what
/// its result does not depend on may change. An unfinished stage may go on with another loop, optimiser and method
/// settings, but not with another seed or method, from another model, or on other data.
/// </summary>
internal sealed class StageRecords(TrainRecipe recipe, ModelConfig? start, JsonTypeInfo<TrainRecipe> json)
{
    private static readonly string[] free =
    [
        .. new[] { "logEvery", "validateEvery", "checkpointEvery", "sampleEvery", "recompute" }.Select(name =>
            $"stage.loop.{name}"
        ),
    ];
    private static readonly string[] never = ["stage.method", "stage.loop.seed"];

    private readonly JsonTypeInfo stages = json.Options.GetTypeInfo(typeof(StageConfig));

    // Of large tensors names and shapes count, as where texts are cached.
    private readonly string from = recipe.From.Length > 0 ? Identity(recipe.From) : "";
    private readonly string data = recipe.Data.Length > 0 ? VideoSet.Hash(recipe.Data) : "";

    /// <summary>
    /// The records of stage <paramref name="first"/> and those after it, up to the first that is not finished, behind
    /// those already <paramref name="known"/>.
    /// </summary>
    /// <exception cref="UserException">A finished stage's model is damaged; something has changed that must
    /// not.</exception>
    public IReadOnlyList<StageRecord> Check(int first, IReadOnlyList<StageRecord> known)
    {
        List<StageRecord> records = [.. known];
        // it may be the result of another run
        if (first == 0 && recipe.From.Length > 0 && Path.GetDirectoryName(Path.GetFullPath(recipe.From)) is { } before)
            RequireWhole(new(before), recipe.From);
        for (var i = first; i < recipe.Stages.Count; i++)
        {
            var run = Run(i);
            records.Add(Check(i, run));
            if (!run.Finished)
                break;
            RequireWhole(run, run.Model);
        }
        return records;
    }

    private static void RequireWhole(RunFolder run, string model)
    {
        if (run.Finished && Path.GetFullPath(model) == run.Model && run.ModelFault is { } fault)
            throw new UserException(
                $"{run.Model}: {fault}. Put it back; or delete the file 'done' beside that folder, and the model is "
                    + "made again from the last checkpoint"
            );
    }

    private RunFolder Run(int stage) => new(Path.Combine(recipe.Out, recipe.Stages[stage].Folder));

    private StageRecord Check(int i, RunFolder run)
    {
        var (file, stage) = (Path.Combine(run.Root, "stage.json"), recipe.Stages[i]);
        var now = new JsonObject
        {
            ["from"] = from,
            ["model"] = JsonSerializer.SerializeToNode(start ?? recipe.Model ?? new(), ModelJson.Default.ModelConfig),
            ["data"] = data,
            ["world"] = data.Length > 0 ? "" : JsonSerializer.SerializeToNode(recipe.World, json.Options),
            ["after"] = i == 0 ? "" : $"{recipe.Stages[i - 1].Folder} {Run(i - 1).Result}",
            ["stage"] = JsonSerializer.SerializeToNode(stage with { Name = "" }, stages),
        };
        if (!File.Exists(file))
            return new(file, now, []);
        var before = SealedJson.Read(file, StageRecord.Info);
        before.Remove("sha256");
        var all = RecipeCheck.Differences(Whole(before), Whole((JsonObject)now.DeepClone())).ToList();
        var finished = run.Finished;
        var forbidden = all.Where(d =>
                !free.Contains(d.Path)
                && (finished || never.Contains(d.Path) || !d.Path.StartsWith("stage.", StringComparison.Ordinal))
            )
            .ToList();
        if (forbidden.Count > 0)
            throw new UserException(
                $"{run.Root}: {(finished ? "is finished" : "has begun")} by another recipe: "
                    + $"{string.Join("; ", forbidden.Take(6).Select(Changed))}. Give the old values, or another run "
                    + "folder; or delete that folder to train the stage anew"
            );
        return new(file, now, [.. all.Select(Changed)]);
    }

    // With the defaults of settings that are newer than the run.
    private JsonObject Whole(JsonObject record)
    {
        RecipeCheck.AddDefaults(record["stage"], stages);
        RecipeCheck.AddDefaults(record["model"], ModelJson.Default.ModelConfig);
        RecipeCheck.AddDefaults(record["world"], json.Options.GetTypeInfo(typeof(WorldDataConfig)));
        return record;
    }

    private static string Changed((string Path, string Before, string Now) d) => $"{d.Path} was {d.Before}, is {d.Now}";

    private static string Identity(string path)
    {
        using var files = ModelFiles.Open(path);
        return string.Join(", ", files.Parts.Select(p => $"{p.Name} {p.Hash(1 << 20)}"));
    }
}
