using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Takes;

namespace LongTake.Cli;

/// <summary>What is printed of a take.</summary>
internal static class TakeText
{
    /// <summary>A take as JSON: its document without measures, and what is unfinished.</summary>
    public static JsonObject Describe(Take take)
    {
        var d = take.Document;
        return new()
        {
            ["take"] = take.Name,
            ["model"] = d.Model.Name,
            ["width"] = d.Width,
            ["height"] = d.Height,
            ["fps"] = d.Fps,
            ["branch"] = d.Branch,
            ["branches"] = new JsonArray([
                .. d.Branches.Select(b => new JsonObject
                {
                    ["name"] = b.Name,
                    ["parent"] = b.Parent,
                    ["operation"] = b.Operation,
                    ["seconds"] = Math.Round(d.Seconds(take.Timeline(b.Operation).Length), 3),
                }),
            ]),
            ["operations"] = new JsonArray([.. d.Operations.Select(o => Describe(d, o))]),
            ["unfinished"] = new JsonArray([.. take.Unfinished.Select(o => Describe(d, o))]),
        };
    }

    /// <summary>A take in lines.</summary>
    public static IEnumerable<string> Lines(Take take)
    {
        var d = take.Document;
        yield return $"{take.Name}: {d.Width}x{d.Height}, {d.Fps:0.##} frames a second, "
            + $"by {d.Model.Name} ({d.Model.Part} {d.Model.Weights})";
        foreach (var b in d.Branches)
        {
            var seconds = d.Seconds(take.Timeline(b.Operation).Length);
            yield return $"{(b.Name == d.Branch ? "*" : " ")} {b.Name}: {seconds:0.##} s, operation {b.Operation}"
                + (b.Parent is null ? "" : $", of {b.Parent}");
        }
        foreach (var o in d.Operations)
            yield return Line(d, o);
        foreach (var o in take.Unfinished)
            yield return $"unfinished: {Line(d, o)}; the command that began it goes on";
    }

    /// <summary>What an operation did, in lines.</summary>
    public static IEnumerable<string> Done(Take take, TakeOperation o) =>
        [
            $"{take.Name}: {Line(take.Document, o)}",
            $"{take.Document.Seconds(take.Timeline(o.Id).Length):0.##} s now; its preview: {take.Preview}",
        ];

    private static string Line(TakeDocument d, TakeOperation o)
    {
        var prompts = string.Join(
            " | ",
            o.Prompts.Select(p => o.Prompts.Count == 1 ? p.Text : $"{p.From:0.##} s: {p.Text}")
        );
        var (kind, start) = (o.Kind.ToString().ToLowerInvariant(), o.Start is null ? "" : $", from {o.Start.Name}");
        return $"{o.Id}. {kind} {d.Seconds(o.From):0.##} to {d.Seconds(o.To):0.##} s, seed {o.Seed}{start}: {prompts}";
    }

    private static JsonObject Describe(TakeDocument d, TakeOperation o) =>
        new()
        {
            ["id"] = o.Id,
            ["after"] = o.After,
            ["kind"] = JsonNamingPolicy.CamelCase.ConvertName(o.Kind.ToString()),
            ["from"] = Math.Round(d.Seconds(o.From), 3),
            ["to"] = Math.Round(d.Seconds(o.To), 3),
            ["seed"] = o.Seed,
            ["prompts"] = new JsonArray([
                .. o.Prompts.Select(p => new JsonObject
                {
                    ["from"] = p.From,
                    ["to"] = p.To,
                    ["text"] = p.Text,
                }),
            ]),
            ["segments"] = o.Segments.Count,
        };
}
