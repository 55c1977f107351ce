using System.Text.Json.Nodes;
using LongTake.Data;
using LongTake.Models;

namespace LongTake.Cli;

/// <summary>longtake data ingest | filter | caption | encode | report</summary>
internal static class DataVerbs
{
    public const string Bundled = "models/traveller";

    /// <summary>All stages, one after another.</summary>
    public static int Ingest(string[] sources, string folder, string? recipe, string[] sets, string? model, int jobs, bool json)
    {
        var given = recipe is null ? Recipe.Parse("{}", "data recipe", sets, DataRecipeJson.Default.DataRecipe) : Recipe.Read(recipe, sets, DataRecipeJson.Default.DataRecipe);
        if (sources.Length > 0) given = given with { Sources = sources };
        if (given.Sources.Count == 0) throw new UserException("no sources: name folders, manifests or films on the command line, or as \"sources\" in the recipe", usage: true);
        if (model is not null) given = given with { Model = model };
        else if (given.Model.Length == 0 && File.Exists(Path.Combine(Bundled, "config.json"))) given = given with { Model = Bundled };
        return Stages(given, folder, jobs, json, encode: true);
    }

    /// <summary>Judges again what was looked at, with other rules.</summary>
    public static int Filter(string folder, string[] sets, bool json) => Stages(Made(folder, sets), folder, 1, json, encode: false);

    private static DataRecipe Made(string folder, string[] sets)
    {
        var path = Foundry.RecipeFile(folder);
        if (!File.Exists(path)) throw new UserException($"{folder}: no data set here (no data.json). Make one with 'longtake data ingest VIDEOS -o {folder}'.", usage: true);
        return Recipe.Read(path, sets, DataRecipeJson.Default.DataRecipe);
    }

    private static int Stages(DataRecipe recipe, string folder, int jobs, bool json, bool encode)
    {
        var model = recipe.Model.Length > 0 ? ModelFolder.Open(recipe.Model) : null;
        var cancel = Cli.Run.OnCtrlC();
        try
        {
            var foundry = new Foundry(folder, recipe, model?.Config ?? new());
            IReadOnlyList<Refused> refused = [];
            var looked = Progress.Run("look", r => foundry.Look(out refused, jobs, r, cancel));
            var decisions = foundry.Filter(looked, refused);
            var set = foundry.List(decisions);
            var latents = "";
            if (encode && model is not null && model.Has(ModelFolder.Vae))
                using (var encoded = Progress.Run("encode", r => VideoSet.Latents(folder, model, null, r, cancel))) latents = encoded.Folder;
            Cli.Run.Print(json, Json(decisions, set, folder, latents), Text(decisions, set, folder, latents));
            return Cli.Run.Done;
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException("stopped; what is done is kept, and the same command goes on", e, cancel);
        }
    }

    private static JsonObject Json(IReadOnlyList<Decision> decisions, VideoSetInfo set, string folder, string latents) => new()
    {
        ["set"] = folder, ["hash"] = VideoSet.Hash(folder), ["stretches"] = decisions.Count, ["kept"] = decisions.Count(d => d.Kept),
        ["dropped"] = new JsonObject(Foundry.Funnel(decisions).Select(f => KeyValuePair.Create(f.Rule, (JsonNode?)f.Dropped))),
        ["takes"] = Count(set, "take", false), ["heldOutTakes"] = Count(set, "take", true),
        ["clips"] = Count(set, "clip", false), ["heldOutClips"] = Count(set, "clip", true),
        ["latents"] = latents.Length > 0 ? latents : null,
    };

    private static IEnumerable<string> Text(IReadOnlyList<Decision> decisions, VideoSetInfo set, string folder, string latents)
    {
        yield return $"{decisions.Count,6} stretches of {decisions.Select(d => d.Path).Distinct().Count()} films";
        foreach (var (rule, dropped) in Foundry.Funnel(decisions))
        {
            var one = decisions.First(d => d.Rule == rule);
            yield return $"{-dropped,6} {rule,-12} for example {one.Name}{(one.Start > 0 ? $" at {one.Start:0.0} s" : "")}: {one.Reason}";
        }
        yield return $"{decisions.Count(d => d.Kept),6} kept: {Count(set, "take", false)} takes and {Count(set, "clip", false)} clips to train on, " +
            $"{Count(set, "take", true)} takes and {Count(set, "clip", true)} clips held out";
        yield return $"The set is {folder}, hash {VideoSet.Hash(folder)[..16]}.";
        yield return latents.Length > 0 ? $"Latents are in {latents}." : "Latents are made when training begins.";
        yield return $"Train on it: longtake train RECIPE --set data={folder}";
    }

    private static int Count(VideoSetInfo set, string role, bool heldOut) => set.Items.Count(i => i.Item.Role == role && i.Item.HeldOut == heldOut);
}
