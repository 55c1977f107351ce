using System.CommandLine;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Cli;

/// <summary>longtake data ingest, filter, caption and report: the stages that make a data set.</summary>
internal static class DataVerbs
{
    public static Argument<string> Set() => new("set") { Description = "folder of the data set" };

    public static Command Ingest()
    {
        Argument<string[]> sources = new("sources")
        {
            Description = "folders, globs, manifests (csv, json, jsonl, videos.txt), WebDataset tars, videos",
            Arity = ArgumentArity.ZeroOrMore,
        };
        Option<string> output = new("--output", "-o") { Description = "folder of the data set", Required = true };
        var (recipe, model) = (RecipeFile("; the resolved one is written to data.json in the set"), Model());
        Option<int> jobs = new("--jobs")
        {
            Description = "videos that are looked at side by side",
            DefaultValueFactory = _ => 2,
        };
        var (sets, json) = (Options.Sets("filter.minSeconds=5 --set geometry.longTakes=Cut"), Options.Json());
        return Options.Verb(
            "ingest",
            "Turn footage into a training set: cut them into single shots, filter, caption, encode, report.",
            [sources, output, recipe, sets, model, jobs, json],
            p =>
                Ingest(
                    p.GetValue(sources) ?? [],
                    p.GetValue(output)!,
                    p.GetValue(recipe),
                    p.GetValue(sets) ?? [],
                    p.GetValue(model),
                    Math.Max(1, p.GetValue(jobs)),
                    p.GetValue(json)
                )
        );
    }

    public static Option<string?> RecipeFile(string more = "") =>
        new("--recipe") { Description = "a data recipe (json): every threshold" + more };

    public static Option<string?> Model() =>
        new("--model", "--model-path")
        {
            Description = "model folder whose rate, size and autoencoder count; the recipe's, else the bundled one",
        };

    /// <summary>The recipe of the command line, with a model.</summary>
    public static DataRecipe Given(string? recipe, string[] sets, string? model)
    {
        var given = recipe is null
            ? Recipe.Parse("{}", "data recipe", sets, DataRecipeJson.Default.DataRecipe)
            : Recipe.Read(recipe, sets, DataRecipeJson.Default.DataRecipe);
        return model is not null ? given with { Model = model }
            : given.Model.Length == 0 ? given with { Model = Shipped.Model }
            : given;
    }

    public static Command Filter()
    {
        var (set, sets, json) = (Set(), Options.Sets("filter.minMotion=0.5"), Options.Json());
        return Options.Verb(
            "filter",
            "Filter again with other thresholds; takes seconds, for nothing is decoded.",
            [set, sets, json],
            p => Filter(p.GetValue(set)!, p.GetValue(sets) ?? [], p.GetValue(json))
        );
    }

    public static Command Caption()
    {
        var sets = Options.Sets("captions.endpoint.url=http://localhost:8000/v1 --set captions.endpoint.model=NAME");
        var (set, json) = (Set(), Options.Json());
        return Options.Verb(
            "caption",
            "Ask an OpenAI-compatible endpoint for the captions that are missing.",
            [set, sets, json],
            p => Caption(p.GetValue(set)!, p.GetValue(sets) ?? [], p.GetValue(json))
        );
    }

    public static Command Report()
    {
        var (set, json) = (Set(), Options.Json());
        return Options.Verb("report", "Write report.html and report.json of a set anew.", [set, json], p =>
            Stages(Made(p.GetValue(set)!, []), p.GetValue(set)!, 1, Stage.Filter, p.GetValue(json))
        );
    }

    /// <summary>All stages, one after another.</summary>
    private static int Ingest(
        string[] sources,
        string folder,
        string? recipe,
        string[] sets,
        string? model,
        int jobs,
        bool json
    )
    {
        var given = Given(recipe, sets, model);
        if (sources.Length > 0)
            given = given with { Sources = sources };
        if (given.Sources.Count == 0)
            throw new UserException(
                "no sources: name folders, manifests or videos on the command line, or as \"sources\" in the recipe",
                usage: true
            );
        return Stages(given, folder, jobs, Stage.Encode, json);
    }

    /// <summary>Filters again, with other rules.</summary>
    private static int Filter(string folder, string[] sets, bool json) =>
        Stages(Made(folder, sets), folder, 1, Stage.Filter, json);

    /// <summary>Asks for the captions that are missing.</summary>
    private static int Caption(string folder, string[] sets, bool json)
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

    private enum Stage
    {
        Filter,
        Caption,
        Encode,
    }

    public static DataRecipe Made(string folder, string[] sets)
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
        OutputPlace.RequireFolder(folder);
        var model = DataEncodeVerb.Opened(recipe.Model.Length > 0 ? recipe.Model : Shipped.Model, folder);
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
                DataEncodeVerb.Texts(model, encoded, cancel);
            }
            else if (model.Has(ModelFolder.Vae))
                (latents, missing) = VideoSet.Encoded(folder, model);
            var report = builder.Report(decisions, set, latents, captions);
            Cli.Run.Print(
                json,
                DataSummary.Json(decisions, set, folder, latents, captions, report),
                DataSummary.Text(decisions, set, folder, latents, missing, captions, report)
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
}
