using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Cli;

/// <summary>longtake data ingest | filter | caption | encode | report</summary>
internal static class DataVerbs
{
    /// <summary>All stages, one after another.</summary>
    public static int Ingest(
        string[] sources,
        string folder,
        string? recipe,
        string[] sets,
        string? model,
        int jobs,
        bool json
    )
    {
        var given = recipe is null
            ? Recipe.Parse("{}", "data recipe", sets, DataRecipeJson.Default.DataRecipe)
            : Recipe.Read(recipe, sets, DataRecipeJson.Default.DataRecipe);
        if (sources.Length > 0)
            given = given with { Sources = sources };
        if (given.Sources.Count == 0)
            throw new UserException(
                "no sources: name folders, manifests or videos on the command line, or as \"sources\" in the recipe",
                usage: true
            );
        if (model is not null)
            given = given with { Model = model };
        else if (given.Model.Length == 0)
            given = given with { Model = Shipped.Model };
        return Stages(given, folder, jobs, Stage.Encode, json);
    }

    /// <summary>Judges again what was looked at, with other rules.</summary>
    public static int Filter(string folder, string[] sets, bool json) =>
        Stages(Made(folder, sets), folder, 1, Stage.Filter, json);

    /// <summary>Asks for the captions that are missing.</summary>
    public static int Caption(string folder, string[] sets, bool json)
    {
        var recipe = Made(folder, sets);
        if (recipe.Captions.Endpoint.Url.Length == 0)
            throw new UserException(
                "no endpoint to ask: --set captions.endpoint.url=http://localhost:8000/v1 --set "
                    + "captions.endpoint.model=NAME (captions of manifests and side files are read by 'data "
                    + "ingest')",
                usage: true
            );
        return Stages(recipe, folder, 1, Stage.Caption, json);
    }

    /// <summary>Writes the report anew.</summary>
    public static int Report(string folder, bool json) => Stages(Made(folder, []), folder, 1, Stage.Filter, json);

    /// <summary>
    /// Makes latents, and text features where the model's text encoder is fixed; with <paramref name="verify"/> every
    /// shard is hashed again.
    /// </summary>
    public static int Encode(string folder, string? model, bool verify, bool json)
    {
        var of = Opened(
            model
                ?? (
                    Made(folder, []).Model is { Length: > 0 } own
                        ? own
                        : throw new UserException(
                            "no model: --model FOLDER names the one whose autoencoder encodes",
                            usage: true
                        )
                ),
            folder
        );
        var cancel = Cli.Run.OnCtrlC();
        Cli.Run.UseAllCores();
        try
        {
            var latents = Progress.Run("encode", r => VideoSet.Latents(folder, of, null, r, cancel));
            IReadOnlyList<string> broken = [];
            if (verify)
                broken = Progress.Run("verify", r => FootageEncoder.Broken(latents, r, cancel));
            var (path, hash) = (latents.Folder, "");
            if (broken.Count > 0)
            {
                latents.Dispose();
                foreach (var shard in broken)
                {
                    Console.Error.WriteLine($"longtake: {Path.Combine(path, shard)}: not what was written; made anew");
                    File.Delete(Path.Combine(path, shard));
                }
                latents = Progress.Run("encode", r => VideoSet.Latents(folder, of, null, r, cancel));
            }
            using (latents)
            {
                Texts(of, latents, cancel);
                hash = FootageEncoder.Hash(latents);
            }
            Cli.Run.Print(
                json,
                new JsonObject
                {
                    ["latents"] = path,
                    ["hash"] = hash,
                    ["broken"] = verify ? broken.Count : null,
                },
                [
                    $"Latents are in {path}, hash "
                        + $"{hash[..16]}{(verify ? $"; {broken.Count} shards were broken{(broken.Count > 0 ? " and are made anew" : "")}" : "")}.",
                ]
            );
            return Cli.Run.Done;
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException(
                "stopped; what is done is kept, and the same command goes on",
                e,
                cancel
            );
        }
    }

    // A model folder as it is; of weights in another layout one with their autoencoder is made beside the set, bit for
    // bit.
    private static ModelFolder Opened(string path, string folder)
    {
        path = Shipped.Located(path);
        using var start = StartModel.Open(path, null);
        if (start.Own)
            return ModelFolder.Open(path);
        using var files = ModelFiles.Open(path);
        var made = ModelFolder.Create(Path.Combine(folder, "model"), start.Config);
        if (!made.Has(ModelFolder.Vae))
            TensorFiles.Write(
                Path.Combine(made.Path, ModelFolder.Vae + ".safetensors"),
                files.Require(PartKind.Vae).Tensors,
                dtype: null
            );
        return made;
    }

    // A text encoder too large to stay beside the video model reads the captions now; a small one learns with its
    // model.
    private static void Texts(ModelFolder model, LatentSet latents, CancellationToken cancel)
    {
        if (!model.Has(ModelFolder.Text) || !model.HasTokenizer)
            return;
        using var scope = torch.NewDisposeScope();
        var (text, weights) = model.LoadText();
        using (weights)
            Progress.Run("captions", r =>
            {
                text.Prepare(
                    [.. FlowMatching.Captions(latents), "", model.Config.NegativePrompt],
                    (done, all) => r.Report(new(done, all, "captions", "encoding")),
                    cancel
                );
                return 0;
            });
    }

    private enum Stage
    {
        Filter,
        Caption,
        Encode,
    }

    private static DataRecipe Made(string folder, string[] sets)
    {
        var path = DatasetBuilder.RecipeFile(folder);
        if (!File.Exists(path))
            throw new UserException(
                $"{folder}: no data set here (no data.json). Make one with 'longtake data ingest VIDEOS -o {folder}'.",
                usage: true
            );
        return Recipe.Read(path, sets, DataRecipeJson.Default.DataRecipe);
    }

    private static int Stages(DataRecipe recipe, string folder, int jobs, Stage last, bool json)
    {
        var model = Opened(recipe.Model.Length > 0 ? recipe.Model : Shipped.Model, folder);
        var cancel = Cli.Run.OnCtrlC();
        try
        {
            using var builder = new DatasetBuilder(folder, recipe, model.Config);
            IReadOnlyList<Refused> refused = [];
            var looked = Progress.Run("look", r => builder.Look(out refused, jobs, r, cancel));
            var decisions = builder.Filter(looked, refused);
            CaptionReport? captions = null;
            if (last >= Stage.Caption && recipe.Captions.Endpoint.Url.Length > 0)
                captions = Progress.Run("caption", r => builder.Ask(decisions, r, cancel));
            if (captions is { Failed: > 0 })
                Console.Error.WriteLine(
                    $"longtake: {captions.Failed} captions are missing ({captions.Problem}); 'longtake data "
                        + $"caption {folder}' asks again"
                );
            decisions = builder.Captioned(decisions);
            VideoSetInfo set;
            try
            {
                set = builder.List(decisions);
            }
            catch (UserException)
            {
                builder.Report(decisions, null, "", captions); // why nothing was kept is what the report is for
                throw;
            }
            var (latents, missing) = ("", 0);
            if (last == Stage.Encode && model.Has(ModelFolder.Vae))
            {
                Cli.Run.UseAllCores(); // only here, for it loads libtorch, and that alone is 130 MiB
                using var encoded = Progress.Run("encode", r => VideoSet.Latents(folder, model, null, r, cancel));
                latents = encoded.Folder;
                Texts(model, encoded, cancel);
            }
            else if (model.Has(ModelFolder.Vae))
                (latents, missing) = VideoSet.Encoded(folder, model);
            var report = builder.Report(decisions, set, latents, captions);
            Cli.Run.Print(
                json,
                Json(decisions, set, folder, latents, captions, report),
                Text(decisions, set, folder, latents, missing, captions, report)
            );
            return Cli.Run.Done;
        }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException(
                "stopped; what is done is kept, and the same command goes on",
                e,
                cancel
            );
        }
    }

    private static JsonObject Json(
        IReadOnlyList<Decision> decisions,
        VideoSetInfo set,
        string folder,
        string latents,
        CaptionReport? captions,
        string report
    ) =>
        new()
        {
            ["set"] = folder,
            ["hash"] = VideoSet.Hash(folder),
            ["stretches"] = decisions.Count,
            ["kept"] = decisions.Count(d => d.Kept),
            ["dropped"] = new JsonObject(
                DatasetBuilder.Funnel(decisions).Select(f => KeyValuePair.Create(f.Rule, (JsonNode?)f.Dropped))
            ),
            ["takes"] = Count(set, "take", false),
            ["heldOutTakes"] = Count(set, "take", true),
            ["clips"] = Count(set, "clip", false),
            ["heldOutClips"] = Count(set, "clip", true),
            ["latents"] = latents.Length > 0 ? latents : null,
            ["report"] = report,
            ["captions"] = captions is null
                ? null
                : new JsonObject
                {
                    ["answers"] = captions.Answers,
                    ["asked"] = captions.Asked,
                    ["tokensIn"] = captions.TokensIn,
                    ["tokensOut"] = captions.TokensOut,
                    ["cost"] = captions.Cost,
                    ["failed"] = captions.Failed,
                },
        };

    private static IEnumerable<string> Text(
        IReadOnlyList<Decision> decisions,
        VideoSetInfo set,
        string folder,
        string latents,
        int missing,
        CaptionReport? captions,
        string report
    )
    {
        yield return $"{decisions.Count, 6} stretches of {decisions.Select(d => d.Path).Distinct().Count()} videos";
        foreach (var (rule, dropped) in DatasetBuilder.Funnel(decisions))
        {
            var one = decisions.First(d => d.Rule == rule);
            yield return $"{-dropped, 6} {rule, -12} for example "
                + $"{one.Name}{(one.Start > 0 ? $" at {one.Start:0.0} s" : "")}: {one.Reason}";
        }
        yield return $"{decisions.Count(d => d.Kept), 6} kept: {Many(set, "take", false)} and "
            + $"{Many(set, "clip", false)} to train on, "
            + $"{Many(set, "take", true)} and {Many(set, "clip", true)} held out";
        yield return $"The set is {folder}, hash {VideoSet.Hash(folder)[..16]}.";
        if (captions is { Asked: > 0 })
            yield return $"{captions.Asked} captions were asked for: {captions.TokensIn} + {captions.TokensOut} "
                + $"tokens, cost {captions.Cost:0.00} by the recipe's prices.";
        yield return $"Every stretch, with pictures and reasons: {report}";
        if (latents.Length > 0 && missing == 0)
            yield return $"Latents are in {latents}.";
        else
            yield return $"Latents of "
                + $"{(latents.Length > 0 ? $"{missing} stretches are missing and" : "all stretches")} are "
                + $"made by 'longtake data encode {folder}', or when training begins.";
        yield return $"Train on it: longtake train RECIPE --set data={folder}   (for the bundled model RECIPE is "
            + $"recipes/mini/footage.json)";
    }

    private static string Many(VideoSetInfo set, string role, bool heldOut) =>
        Count(set, role, heldOut) is var n && n == 1 ? $"1 {role}" : $"{n} {role}s";

    private static int Count(VideoSetInfo set, string role, bool heldOut) =>
        set.Items.Count(i => i.Item.Role == role && i.Item.HeldOut == heldOut);
}
