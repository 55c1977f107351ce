using System.CommandLine;
using System.Text.Json.Nodes;

namespace LongTake.Cli;

/// <summary>longtake inspect PATH</summary>
internal static class InspectVerb
{
    public static Command Verb()
    {
        Argument<string> path = new("path")
        {
            Description = "a model or weights in any layout, a run, a data set, a video or a recipe",
        };
        var json = Options.Json();
        return Options.Verb("inspect", "Say what a file or folder is, and what is missing in it.", [path, json], p =>
        {
            var found = Inspect.Path(Shipped.Located(p.GetValue(path)!), Run.OnCtrlC());
            Run.Print(
                p.GetValue(json),
                new JsonObject
                {
                    ["path"] = found.Path,
                    ["kind"] = found.Kind,
                    ["facts"] = found.Facts,
                    ["problems"] = new JsonArray([.. found.Problems.Select(x => JsonValue.Create(x))]),
                },
                Inspect.Lines(found)
            );
            return found.Problems.Count == 0 ? Run.Done : Run.Failed;
        });
    }
}
