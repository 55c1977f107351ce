using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Models.Text;
using LongTake.Video;

namespace LongTake;

/// <summary>
/// What a path holds: a kind ("model", "weights", "run", "data", "video", "recipe"), facts in order (texts, numbers,
/// lists, objects), and what is missing or broken; sound things have no problems.
/// </summary>
public sealed record Inspection(string Path, string Kind, JsonObject Facts, IReadOnlyList<string> Problems);

/// <summary>
/// Recognises models, weights, runs, data sets, videos and recipes. Reads only, also while a run is at work.
/// </summary>
public static class Inspect
{
    private const string Known =
        "a model folder (config.json and parts), a run folder (stages or log.jsonl), a data set (videos.json "
        + "or set.json), "
        + "weights (the original Wan folder, a diffusers folder, ComfyUI's files, .safetensors or an index of "
        + "shards, .gguf, .pt and .pth), "
        + "a recipe (JSON with stages), a video";

    /// <summary>Looks at a file or folder.</summary>
    /// <exception cref="UserException">Usage: nothing there, or nothing that is known. Else: it is broken.</exception>
    public static Inspection Path(string path, CancellationToken cancel = default) =>
        Directory.Exists(path) ? Folder(path, cancel)
        : File.Exists(path) ? Single(path, cancel)
        : throw new UserException($"{path}: no such file or folder. inspect knows {Known}.", usage: true);

    private static Inspection Folder(string path, CancellationToken cancel)
    {
        bool Has(string name) => File.Exists(System.IO.Path.Combine(path, name));
        if (VideoSet.Exists(path))
            return InspectFolders.Videos(path);
        if (Has("set.json"))
            return InspectFolders.Latents(path);
        var config = Has("config.json") ? Json(System.IO.Path.Combine(path, "config.json")) : null;
        if (config?["stages"] is not null)
            return InspectFolders.Run(path);
        if (Has("log.jsonl") || Directory.Exists(System.IO.Path.Combine(path, "checkpoints")))
            return InspectFolders.Stage(path);
        if (config?["wan"] is not null)
            return InspectFolders.Model(path, cancel);
        if (FoundFiles.IsFolder(path))
            return InspectWeights.Look(path, cancel);
        var inside = Directory
            .EnumerateFileSystemEntries(path)
            .Select(e => System.IO.Path.GetFileName(e)!)
            .Order(StringComparer.Ordinal)
            .Take(6)
            .ToList();
        throw new UserException(
            $"{path}: not recognised; it holds {(inside.Count == 0 ? "nothing" : string.Join(", ", inside))}. "
                + $"inspect knows {Known}.",
            usage: true
        );
    }

    private static Inspection Single(string path, CancellationToken cancel)
    {
        Impostor.Refuse(path);
        var end = System.IO.Path.GetExtension(path).ToLowerInvariant();
        if (WeightFile.IsOne(path))
            return InspectWeights.Look(path, cancel);
        if (end is ".json" or ".jsonc")
            return Text(path, cancel);
        var probed = Probe.Try(path, token: cancel);
        return probed.Info is { } info
            ? InspectFolders.Video(info, Probe.Tags(path, token: cancel))
            : throw new UserException(
                $"{path}: not recognised; as a video: {probed.Reason}. inspect knows {Known}.",
                usage: true
            );
    }

    private static Inspection Text(string path, CancellationToken cancel)
    {
        var json = Json(path);
        if (json.ContainsKey("weight_map"))
            return InspectWeights.Look(path, cancel);
        if (json.ContainsKey("stages") || json.ContainsKey("extends"))
            return InspectFolders.Recipe(path);
        if (json.ContainsKey("wan") && json.ContainsKey("vae"))
            return InspectFolders.Model(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!, cancel);
        throw new UserException(
            $"{path}: JSON, but neither a recipe, a model's config nor an index of shards; it has "
                + $"{string.Join(", ", json.Take(6).Select(m => m.Key))}. "
                + $"inspect knows {Known}.",
            usage: true
        );
    }

    /// <summary>The JSON object a file holds.</summary>
    /// <exception cref="UserException">It holds none.</exception>
    public static JsonObject Json(string path)
    {
        Impostor.Refuse(path);
        try
        {
            var options = new JsonDocumentOptions
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
            };
            return JsonNode.Parse(File.ReadAllBytes(path), documentOptions: options) as JsonObject
                ?? throw new UserException($"{path}: not one JSON object");
        }
        catch (JsonException e)
        {
            throw new UserException($"{path}: not valid JSON ({e.Message.TrimEnd('.')})", inner: e);
        }
    }

    /// <summary>The facts for a person, one a line, with what is inside of one below it; problems last.</summary>
    public static IEnumerable<string> Lines(Inspection found) =>
        [$"{found.Path}: {found.Kind}", .. Lines(found.Facts, "  "), .. found.Problems.Select(p => $"  problem: {p}")];

    private static IEnumerable<string> Lines(JsonObject facts, string indent)
    {
        foreach (var (name, value) in facts)
            if (value is JsonObject { Count: 0 } or JsonArray { Count: 0 })
                yield return $"{indent}{name}: none";
            else if (
                value is JsonObject inner
                && inner.All(m => m.Value is JsonValue)
                && inner.ToJsonString().Length <= 90
            )
                yield return $"{indent}{name}: {string.Join(", ", inner.Select(m => $"{m.Key} {Plain(m.Value)}"))}";
            else if (value is JsonObject deep)
            {
                yield return $"{indent}{name}";
                foreach (var line in Lines(deep, indent + "  "))
                    yield return line;
            }
            else if (value is JsonArray list)
                yield return $"{indent}{name}: {string.Join(", ", list.Select(Plain))}";
            else
                yield return $"{indent}{name}: {Plain(value)}";
    }

    private static string Plain(JsonNode? value) =>
        value switch
        {
            null => "none",
            JsonArray list => $"[{string.Join(", ", list.Select(Plain))}]",
            _ when value.GetValueKind() == JsonValueKind.String => Clean(value.GetValue<string>()),
            _ when value.GetValueKind() == JsonValueKind.Number && value.AsValue().TryGetValue<long>(out var n) =>
                n.ToString("#,0", CultureInfo.InvariantCulture),
            _ => value.ToJsonString(),
        };

    // A name out of a stranger's file must not steer the terminal.
    private static string Clean(string text) => string.Concat(text.Select(c => char.IsControl(c) ? ' ' : c));
}
