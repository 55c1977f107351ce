using System.Text.Json.Nodes;
using LongTake.Data;

namespace LongTake.Cli;

/// <summary>What the data verbs say at their end.</summary>
internal static class DataSummary
{
    public static JsonObject Json(
        IReadOnlyList<Decision> decisions,
        VideoSetInfo set,
        string folder,
        string latents,
        CaptionReport? captions,
        string report
    ) =>
        new()
        {
            ["set"] = folder,
            ["hash"] = VideoSet.Hash(folder),
            ["stretches"] = decisions.Count,
            ["kept"] = decisions.Count(d => d.Kept),
            ["dropped"] = new JsonObject(
                DatasetBuilder.Funnel(decisions).Select(f => KeyValuePair.Create(f.Rule, (JsonNode?)f.Dropped))
            ),
            ["takes"] = Count(set, "take", false),
            ["heldOutTakes"] = Count(set, "take", true),
            ["clips"] = Count(set, "clip", false),
            ["heldOutClips"] = Count(set, "clip", true),
            ["latents"] = latents.Length > 0 ? latents : null,
            ["report"] = report,
            ["captions"] = captions is null
                ? null
                : new JsonObject
                {
                    ["answers"] = captions.Answers,
                    ["asked"] = captions.Asked,
                    ["tokensIn"] = captions.TokensIn,
                    ["tokensOut"] = captions.TokensOut,
                    ["cost"] = captions.Cost,
                    ["failed"] = captions.Failed,
                    ["dropped"] = new JsonArray([.. captions.Dropped.Select(d => JsonValue.Create(d))]),
                },
        };

    public static IEnumerable<string> Text(
        IReadOnlyList<Decision> decisions,
        VideoSetInfo set,
        string folder,
        string latents,
        int missing,
        CaptionReport? captions,
        string report
    )
    {
        yield return $"{decisions.Count, 6} stretches of {decisions.Select(d => d.Path).Distinct().Count()} videos";
        foreach (var (rule, dropped) in DatasetBuilder.Funnel(decisions))
        {
            var one = decisions.First(d => d.Rule == rule);
            yield return $"{-dropped, 6} {rule, -12} for example "
                + $"{one.Name}{(one.Start > 0 ? $" at {one.Start:0.0} s" : "")}: {one.Reason}";
        }
        yield return $"{decisions.Count(d => d.Kept), 6} kept: {Many(set, "take", false)} and "
            + $"{Many(set, "clip", false)} to train on, "
            + $"{Many(set, "take", true)} and {Many(set, "clip", true)} held out";
        yield return $"The set is {folder}, hash {VideoSet.Hash(folder)[..16]}.";
        if (captions is { Asked: > 0 })
            yield return $"{captions.Asked} captions were asked for: {captions.TokensIn} + {captions.TokensOut} "
                + $"tokens, cost {captions.Cost:0.00} by the recipe's prices.";
        foreach (var dropped in captions?.Dropped.Take(3) ?? [])
            yield return $"No caption of {dropped}";
        yield return $"Every stretch, with pictures and reasons: {report}";
        if (latents.Length > 0 && missing == 0)
            yield return $"Latents are in {latents}.";
        else
            yield return $"Latents of "
                + $"{(latents.Length > 0 ? $"{missing} stretches are missing and" : "all stretches")} are "
                + $"made by 'longtake data encode {folder}', or when training begins.";
        yield return $"Train on it: longtake train RECIPE --set data={folder}   (for the bundled model RECIPE is "
            + $"recipes/mini/footage.json)";
    }

    private static string Many(VideoSetInfo set, string role, bool heldOut) =>
        Count(set, role, heldOut) is var n && n == 1 ? $"1 {role}" : $"{n} {role}s";

    private static int Count(VideoSetInfo set, string role, bool heldOut) =>
        set.Items.Count(i => i.Item.Role == role && i.Item.HeldOut == heldOut);
}
