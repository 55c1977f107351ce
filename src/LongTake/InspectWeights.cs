using System.Text.Json.Nodes;

namespace LongTake;

/// <summary>What safetensors hold: counts, element types, and by the names of the tensors what they are of.</summary>
internal static class InspectWeights
{
    public static Inspection Look(string path)
    {
        using var file = SafetensorsSet.Open(path);
        return new(path, "weights", Facts(file), []);
    }

    public static JsonObject Facts(SafetensorsSet file)
    {
        var entries = file.Names.Select(file.Entry).ToList();
        var facts = new JsonObject
        {
            ["family"] = Family(entries), ["tensors"] = entries.Count, ["parameters"] = entries.Sum(Elements), ["bytes"] = entries.Sum(e => e.Length),
            ["types"] = new JsonObject([.. entries.GroupBy(e => e.Dtype).OrderByDescending(g => g.Sum(Elements))
                .Select(g => KeyValuePair.Create(g.Key, (JsonNode?)g.Sum(Elements)))]),
        };
        if (file.Files.Count > 1) facts["shards"] = file.Files.Count;
        if (entries.Count > 0)
        {
            var largest = entries.MaxBy(e => e.Length)!;
            facts["largest"] = $"{largest.Name} {largest.Dtype} [{string.Join(", ", largest.Shape)}]";
        }
        if (file.Metadata.Count > 0)
            facts["metadata"] = new JsonObject(file.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal).Take(20)
                .Select(m => KeyValuePair.Create(m.Key, (JsonNode?)(m.Value.Length > 200 ? m.Value[..200] + "..." : m.Value))));
        return facts;
    }

    /// <summary>A guess by names; published checkpoints and those of other tools too.</summary>
    private static string Family(List<SafetensorsEntry> entries)
    {
        var names = entries.ToDictionary(e => e.Name, StringComparer.Ordinal);
        bool Any(string part) => entries.Any(e => e.Name.Contains(part, StringComparison.Ordinal));
        bool Ends(string name) => names.ContainsKey(name) || entries.Any(e => e.Name.EndsWith("." + name, StringComparison.Ordinal));
        if (Any("lora_A") || Any("lora_down") || Any("lora_up")) return "LoRA";
        if (Any("dm_head.") || Any("fm_head.")) return $"two-headed student, {Blocks(entries)}{Width(entries)}";
        if (Ends("patch_embedding.weight") && Any("blocks.0.self_attn.q.weight"))
            return $"Wan transformer{(Any("diffusion_model.") ? " (ComfyUI's names)" : "")}, {Blocks(entries)}{Width(entries)}";
        if (Any("condition_embedder.") && Any("attn1.to_q")) return "Wan transformer (diffusers' names)";
        if (Ends("decoder.conv1.weight") && Any("encoder.downsamples")) return "Wan causal autoencoder";
        if (Any("decoder.conv_in") && Any("encoder.conv_in")) return "causal autoencoder (diffusers' names)";
        if (Ends("token_embedding.weight") && Any("blocks.0.ffn.gate")) return $"umT5 text encoder, {Blocks(entries)}";
        if (Any("SelfAttention.q.weight")) return "T5 or umT5 text encoder (Hugging Face's names)";
        if (entries.Count > 0 && entries.All(e => e.Dtype == "U8" && e.Shape is [_, _, _, 3])) return "frames of a data set";
        if (entries.Count > 0 && entries.All(e => e.Dtype == "BF16" && e.Shape.Length == 4)) return "latents of a data set";
        return "unknown";
    }

    private static string Width(List<SafetensorsEntry> entries) =>
        entries.FirstOrDefault(e => e.Name.EndsWith("patch_embedding.weight", StringComparison.Ordinal)) is { Shape: [var dim, ..] } ? $", width {dim}" : "";

    private static string Blocks(List<SafetensorsEntry> entries) => $"{entries.Select(e => e.Name.Split('.')).Where(p => p.Length > 2)
        .Select(p => p.IndexOf("blocks") is var at and >= 0 && at + 1 < p.Length ? string.Join('.', p[..(at + 2)]) : "").Where(p => p.Length > 0).Distinct().Count()} blocks";

    private static long Elements(SafetensorsEntry e) => e.Length / SafetensorsFile.ItemSizes[e.Dtype];
}
