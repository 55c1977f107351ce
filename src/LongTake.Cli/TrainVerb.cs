using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;
using LongTake.Video;

namespace LongTake.Cli;

/// <summary>longtake train RECIPE</summary>
internal static class TrainVerb
{
    public static Command Verb()
    {
        Argument<string> recipe = new("recipe") { Description = "a recipe, for example recipes/mini/mmm-smoke.json" };
        var (sets, device) = (Options.Sets("out=runs/a --set world.clips=500"), Options.DeviceOver("recipe"));
        var (dry, json) = (Options.Dry("the resolved recipe"), Options.Json());
        return Options.Verb(
            "train",
            "Train the stages of a recipe. The same command continues a run that stopped.",
            [recipe, sets, device, dry, json],
            p => Run(p.GetValue(recipe)!, p.GetValue(sets) ?? [], p.GetValue(device), p.GetValue(dry), p.GetValue(json))
        );
    }

    private static int Run(string path, IReadOnlyList<string> sets, string? device, bool dry, bool json)
    {
        path = Shipped.Located(path);
        var recipe = Recipe.Read(path, sets, TrainJson.Recipe);
        if (device is not null)
            recipe = recipe with { Device = device };
        if (string.Join("; ", recipe.Problems()) is { Length: > 0 } problems)
            throw new UserException($"{path}: {problems}", usage: true);
        if (dry)
        {
            Cli.Run.PrintDry(json, "recipe", JsonSerializer.SerializeToNode(recipe, TrainJson.Recipe));
            return Cli.Run.Done;
        }
        recipe = recipe with { From = recipe.From.Length > 0 ? Shipped.Located(recipe.From) : "" };
        var on = ComputeDevice.Choose(recipe.Device);
        var cancel = Cli.Run.OnCtrlC();
        if (recipe.Threads == 0)
            Cli.Run.UseAllCores();
        string? video = null;
        var trained = Progress.Run("train", report =>
        {
            var trainer = new Trainer(recipe, stage => new Named(stage.Folder, report), cancel)
            {
                Say = Warn,
                Sample = (stage, step, model) =>
                    Video(
                        recipe,
                        model,
                        Path.Combine(recipe.Out, stage.Folder, "samples", $"step-{step:D8}.mp4"),
                        on,
                        report,
                        cancel
                    ),
            };
            var model = trainer.Run();
            video = Video(recipe, model, Path.Combine(recipe.Out, "video.mp4"), on, report, cancel);
            return model;
        });
        Cli.Run.Print(
            json,
            new JsonObject
            {
                ["model"] = trained.Path,
                ["run"] = recipe.Out,
                ["video"] = video,
            },
            [
                $"The trained model is {trained.Path}.",
                video is not null
                    ? $"A video of it: {video}. More: longtake generate --model {trained.Path} --prompt '...'"
                : trained.Has(ModelFolder.Text) ? "No video of it was made."
                : "It has no network that makes videos yet.",
            ]
        );
        return Cli.Run.Done;
    }

    private static void Warn(string text) => Console.Error.WriteLine($"longtake: {text}");

    /// <summary>
    /// A video at a fixed seed, of the longest-trained network the model has; the prompt is the first caption of the
    /// data. Training does not end because it cannot be made: that is only said.
    /// </summary>
    private static string? Video(
        TrainRecipe recipe,
        ModelFolder model,
        string path,
        torch.Device device,
        IProgress<ProgressReport> report,
        CancellationToken cancel
    )
    {
        if (!model.Has(ModelFolder.Text))
            return null;
        var prompt = recipe.Data.Length > 0 ? VideoSet.Read(recipe.Data).Items[0].Item.Caption : DemoVerb.Prompt;
        try
        {
            using var files = ModelFiles.Open(model.Path);
            var request = new VideoRequest { Prompt = prompt, Seed = 1 }.Resolve(files);
            if (request.Network is Network.Teacher or Network.Transformer)
                request = request with { Sampler = Sampler.Euler, Steps = 25 };
            using var video = new VideoGenerator(files, request, device: device);
            var write = new WriteOptions { Upscale = Math.Max(1, 384 / model.Config.Width) };
            return video.Save(request, path, write, report, cancel: cancel).Path;
        }
        catch (UserException e)
        {
            Warn($"no video was made: {e.Message}");
            return null;
        }
    }

    /// <summary>Puts the stage's name before what it reports.</summary>
    private sealed class Named(string stage, IProgress<ProgressReport> to) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => to.Report(value with { Text = $"{stage}: {value.Text}" });
    }
}
