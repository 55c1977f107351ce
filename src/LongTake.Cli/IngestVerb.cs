using System.Text.Json.Nodes;
using LongTake.Data;
using LongTake.Models;

namespace LongTake.Cli;

/// <summary>longtake data ingest SOURCES... -o FOLDER</summary>
internal static class IngestVerb
{
    public static int Run(string[] sources, string folder, string model, bool modelGiven, double min, double? max, double clip, bool json)
    {
        var of = modelGiven || File.Exists(Path.Combine(model, "config.json")) ? ModelFolder.Open(model) : null;
        var cancel = Cli.Run.OnCtrlC();
        try { return Make(sources, folder, of, new Lengths(min, max, clip), json, cancel); }
        catch (OperationCanceledException e)
        {
            throw new OperationCanceledException("stopped; what was looked at is remembered, and the same command goes on", e, cancel);
        }
    }

    private sealed record Lengths(double Min, double? Max, double Clip);

    private static int Make(string[] sources, string folder, ModelFolder? of, Lengths lengths, bool json, CancellationToken cancel)
    {
        IngestReport report;
        using (var job = new IngestJob(folder, of?.Config ?? new(), lengths.Min, lengths.Max, lengths.Clip))
        {
            var looked = Progress.Run("look", r => job.Look(sources, r, cancel));
            report = Progress.Run("write", r => job.Write(looked, r, cancel));
        }
        var encoded = "";
        if (of is not null && of.Has(ModelFolder.Vae))
            using (var latents = Progress.Run("encode", r => VideoSet.Latents(folder, of, null, r, cancel))) encoded = latents.Folder;
        Cli.Run.Print(json, Json(report, folder, encoded), Text(report, folder, encoded));
        return Cli.Run.Done;
    }

    private static JsonObject Json(IngestReport r, string folder, string encoded) => new()
    {
        ["set"] = folder, ["files"] = r.Files.Count, ["kept"] = r.Files.Count(f => f.Kept),
        ["dropped"] = new JsonObject(r.Funnel.Select(f => KeyValuePair.Create(f.Rule, (JsonNode?)f.Dropped))),
        ["takes"] = Count(r, "take", false), ["heldOutTakes"] = Count(r, "take", true),
        ["clips"] = Count(r, "clip", false), ["heldOutClips"] = Count(r, "clip", true),
        ["manifest"] = Path.Combine(folder, "manifest.json"), ["latents"] = encoded.Length > 0 ? encoded : null,
    };

    private static IEnumerable<string> Text(IngestReport r, string folder, string encoded)
    {
        yield return $"{r.Files.Count,6} files";
        foreach (var (rule, dropped) in r.Funnel)
            yield return $"{-dropped,6} {rule,-12} for example {Path.GetFileName(r.Files.First(f => f.Rule == rule).Path)}: {r.Files.First(f => f.Rule == rule).Reason}";
        yield return $"{r.Files.Count(f => f.Kept),6} kept: {Count(r, "take", false)} takes and {Count(r, "clip", false)} clips to train on, " +
            $"{Count(r, "take", true)} takes and {Count(r, "clip", true)} clips held out";
        yield return $"The set is {folder}, every file's verdict in {Path.Combine(folder, "manifest.json")}.";
        yield return encoded.Length > 0 ? $"Latents are in {encoded}." : "Latents are made when training begins.";
        yield return $"Train on it: longtake train RECIPE --set data={folder}";
    }

    private static int Count(IngestReport r, string role, bool heldOut) => r.Set.Items.Count(i => i.Item.Role == role && i.Item.HeldOut == heldOut);
}
