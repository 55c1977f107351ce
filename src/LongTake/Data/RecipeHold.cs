using System.Text.Json;
using System.Text.Json.Nodes;

namespace LongTake.Data;

/// <summary>
/// The recipe of a set, <c>data.json</c>, held while it is worked by: processes with the same recipe share a set, and
/// another recipe takes its place only when nobody is at work.
/// </summary>
internal sealed class RecipeHold : IDisposable
{
    private const string Change = "recipe",
        AtWork = "recipe-";
    private readonly Claims claims;

    /// <exception cref="UserException">Usage: living processes make the set by another recipe; the message names what
    /// differs.</exception>
    public RecipeHold(string folder, DataRecipe recipe)
    {
        claims = new(Path.Combine(folder, "claims"));
        try
        {
            while (!claims.Take(Change))
                Thread.Sleep(20); // whoever has it is as quick as we are
            var (path, mine) = (
                DatasetBuilder.RecipeFile(folder),
                JsonSerializer.SerializeToNode(recipe, DataRecipeJson.Default.DataRecipe)!
            );
            var there = Read(path);
            if (!JsonNode.DeepEquals(there, mine))
            {
                var differences = RecipeCheck
                    .Differences(there, mine)
                    .Select(d => $"{d.Path} {d.Before} there, {d.Now} here");
                if (claims.Living(AtWork).Count > 0)
                    throw new UserException(
                        $"{folder}: another process is making this set by another recipe "
                            + $"({string.Join("; ", differences.Take(4))}). "
                            + "Wait until it is done, or give a folder of its own with -o; processes with the "
                            + "same recipe and sources share a set",
                        usage: true
                    );
                Recipe.Write(path, recipe, DataRecipeJson.Default.DataRecipe);
            }
            claims.Take(AtWork + Guid.NewGuid().ToString("N"));
            claims.Release(Change);
        }
        catch
        {
            claims.Dispose();
            throw;
        }
    }

    public void Dispose() => claims.Dispose();

    private static JsonNode? Read(string path)
    {
        try
        {
            return File.Exists(path) ? JsonNode.Parse(File.ReadAllText(path)) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
