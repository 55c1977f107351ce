using System.Text.Json;
using System.Text.Json.Nodes;

namespace LongTake.Tests.Cli;

/// <summary>
/// The tiny recipe for tests that train by it again and again: half as many steps of the two stages whose steps take
/// long, all of them under <c>./dev soak</c>.
/// </summary>
internal static class TinyRecipe
{
    public static string Write(string path)
    {
        var recipe = JsonNode.Parse(
            File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "assets", "tiny.json")),
            documentOptions: new() { CommentHandling = JsonCommentHandling.Skip }
        )!;
        foreach (var stage in recipe["stages"]!.AsArray())
            if ((string)stage!["method"]! is "Autoencoder" or "Mmm")
                stage["loop"]!["steps"] = Soak.Of(5, 10);
        File.WriteAllText(path, recipe.ToJsonString());
        return path;
    }
}
