using System.Text.Json.Nodes;
using LongTake.Checkpoints;

namespace LongTake;

/// <summary>What weights are of, in any layout: counts, element types, what is missing.</summary>
internal static class InspectWeights
{
    public static Inspection Look(string path, CancellationToken cancel)
    {
        using var found = ModelFiles.Open(path);
        found.Cancel = cancel;
        var problems = Problems(found).ToList();
        var facts = new JsonObject { ["layout"] = Text(found.Layout) };
        var folder = Directory.Exists(path);
        if (found.Parts is [var only])
            foreach (var (name, value) in Facts(only))
                facts[name] = value?.DeepClone();
        else
            facts["parts"] = new JsonObject(found.Parts.Select(p => KeyValuePair.Create(p.Name, (JsonNode?)Brief(p))));
        if (found.Files.Count > 1)
            facts[found.Parts.Count == 1 ? "shards" : "files"] = found.Files.Count;
        if (found.Metadata.Count > 0)
            facts["metadata"] = new JsonObject(
                found
                    .Metadata.OrderBy(m => m.Key, StringComparer.Ordinal)
                    .Take(20)
                    .Select(m =>
                        KeyValuePair.Create(m.Key, (JsonNode?)(m.Value.Length > 200 ? m.Value[..200] + "..." : m.Value))
                    )
            );
        if (folder && found.Parts.Any(p => p.Kind is not (PartKind.Lora or PartKind.Other)))
            facts["absent"] = new JsonArray([.. found.Absent.Select(a => JsonValue.Create(a))]);
        return new(path, folder && found.Parts.Count > 1 ? "model" : "weights", facts, problems);
    }

    /// <summary>What is wrong with the parts.</summary>
    public static IEnumerable<string> Problems(ModelFiles found) => found.Parts.SelectMany(found.Problems);

    /// <summary>The line of a part among others.</summary>
    public static JsonObject Brief(ModelPart part)
    {
        var facts = Facts(part);
        return new()
        {
            ["family"] = facts["family"]!.DeepClone(),
            ["parameters"] = facts["parameters"]!.DeepClone(),
            ["types"] = string.Join(", ", facts["types"]!.AsObject().Select(t => t.Key)),
            ["bytes"] = facts["bytes"]!.DeepClone(),
        };
    }

    private static JsonObject Facts(ModelPart part)
    {
        var facts = new JsonObject
        {
            ["family"] = Family(part),
            ["tensors"] = part.Tensors.Count,
            ["parameters"] = part.Count,
            ["bytes"] = part.Bytes,
            ["types"] = new JsonObject([
                .. part
                    .Tensors.GroupBy(t => t.Stored ?? TensorFiles.Name(t.Dtype))
                    .OrderByDescending(g => g.Sum(t => t.Count))
                    .Select(g => KeyValuePair.Create(g.Key, (JsonNode?)g.Sum(t => t.Count))),
            ]),
        };
        if (part.Kind == PartKind.Lora)
            facts["modules"] = part
                .Tensors.Select(t => LoraNames.Read(t.Name)?.Module)
                .OfType<string>()
                .Distinct()
                .Count();
        if (part.Naming.Length > 0)
            facts["names"] = $"{part.Naming}'s";
        if (part.Tensors.Count > 0)
        {
            var largest = part.Tensors.MaxBy(t => t.Bytes)!;
            facts["largest"] = $"{largest.Name} {TensorFiles.Name(largest.Dtype)} [{string.Join(", ", largest.Shape)}]";
        }
        return facts;
    }

    private static string Family(ModelPart part)
    {
        var blocks = ModelPart.Blocks(part.Shapes.Keys, "blocks.");
        long Size(string name, Index dim) => part.Shapes.TryGetValue(name, out var s) && s.Length > 0 ? s[dim] : 0;
        var width =
            part.Shapes.TryGetValue("patch_embedding.weight", out var patch) && patch.Length > 0
                ? patch.Length == 5
                    ? patch[0]
                    : patch[^1]
                : 0;
        return part.Kind switch
        {
            PartKind.Transformer when (width, blocks, part.TakesImage) == (1536, 30, false) => "Wan 2.1 T2V 1.3B",
            PartKind.Transformer when (width, blocks) == (5120, 40) => part.TakesImage
                ? "Wan 2.1 I2V 14B"
                : "Wan 2.1 T2V 14B",
            PartKind.Transformer =>
                $"Wan transformer{(part.TakesImage ? " (image to video)" : "")}, {blocks} blocks, width {width}",
            PartKind.Student => $"LongTake student "
                + (
                    part.OnlyHead is { } one
                        ? $"with its {Models.DecoupledTransformer.Name(one)} only, "
                        : "of two heads, "
                )
                + $"{blocks} shared blocks, {Sizes.HeadBlocks(part)} a head, width {width}",
            PartKind.Vae => (Size("encoder.conv1.weight", 0), Size("conv2.weight", 0)) == (96, 16)
                ? "Wan 2.1 VAE"
                : "Wan causal autoencoder",
            PartKind.TextEncoder => (Size("token_embedding.weight", ^1), blocks) == (4096, 24)
                ? "umT5-xxl encoder"
                : $"umT5 text encoder, {blocks} blocks, width {Size("token_embedding.weight", ^1)}",
            PartKind.ImageEncoder => (
                Size("visual.cls_embedding", ^1),
                ModelPart.Blocks(part.Shapes.Keys, "visual.transformer.")
            )
                is var (across, deep)
            && (across, deep) == (1280, 32)
                ? "CLIP ViT-H/14 image encoder"
                : $"CLIP image encoder, {deep} blocks, width {across}",
            PartKind.Lora => "LoRA",
            _ when part.Tensors.All(t => t.Dtype == ScalarType.Byte && t.Shape is [_, _, _, 3]) =>
                "frames of a data set",
            _ when part.Tensors.All(t => t.Dtype == ScalarType.BFloat16 && t.Shape.Length == 4) =>
                "latents of a data set",
            _ => "unknown",
        };
    }

    private static string Text(Layout layout) =>
        layout switch
        {
            Layout.Wan => "original Wan folder",
            Layout.Diffusers => "diffusers",
            Layout.Comfy => "ComfyUI",
            Layout.Research => "research checkpoint",
            Layout.LongTake => "LongTake folder",
            _ => "one file",
        };
}
