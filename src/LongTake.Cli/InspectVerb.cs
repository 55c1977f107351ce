using System.Text.Json.Nodes;

namespace LongTake.Cli;

/// <summary>longtake inspect PATH</summary>
internal static class InspectVerb
{
    public static int Run(string path, bool json)
    {
        var found = Inspect.Path(path, Cli.Run.OnCtrlC());
        Cli.Run.Print(
            json,
            new JsonObject
            {
                ["path"] = found.Path,
                ["kind"] = found.Kind,
                ["facts"] = found.Facts,
                ["problems"] = new JsonArray([.. found.Problems.Select(p => JsonValue.Create(p))]),
            },
            Inspect.Lines(found)
        );
        return found.Problems.Count == 0 ? Cli.Run.Done : Cli.Run.Failed;
    }
}
