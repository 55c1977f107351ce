using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Training;

namespace LongTake.Cli;

/// <summary>longtake train RECIPE</summary>
internal static class TrainVerb
{
    public static int Run(string path, IReadOnlyList<string> sets, bool dry, bool json)
    {
        var recipe = Recipe.Read(path, sets, TrainJson.Default.TrainRecipe);
        if (string.Join("; ", recipe.Problems()) is { Length: > 0 } problems) throw new UserException($"{path}: {problems}", usage: true);
        if (dry)
        {
            Console.WriteLine(JsonSerializer.Serialize(recipe, TrainJson.Default.TrainRecipe));
            return Cli.Run.Done;
        }
        var cancel = Cli.Run.OnCtrlC();
        var trained = Progress.Run("train", report => new Trainer(recipe, stage => new Named(stage.Folder, report), cancel).Run());
        Cli.Run.Print(json, new JsonObject { ["model"] = trained.Path, ["run"] = recipe.Out },
            [$"The trained model is {trained.Path}. Make a film with it: longtake generate --model {trained.Path}"]);
        return Cli.Run.Done;
    }

    /// <summary>Puts the stage's name before what it reports.</summary>
    private sealed class Named(string stage, IProgress<ProgressReport> to) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) => to.Report(value with { Text = $"{stage}: {value.Text}" });
    }
}
