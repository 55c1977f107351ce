using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using Shapes = System.Collections.Generic.IReadOnlyDictionary<string, long[]>;

namespace LongTake.Checkpoints;

/// <summary>
/// Sizes of the models, read off the shapes of their tensors; what shapes do not tell (heads, text length, means of
/// latents) comes from the config file of the layout, else from what Wan 2.1 has.
/// </summary>
internal static class Sizes
{
    private const int WanHeadDim = 128,
        ClipHeadDim = 80,
        MostBlocks = 1024;

    /// <summary>
    /// Sizes of a transformer (or a student, whose head blocks count too). Config: Wan's config.json or diffusers'.
    /// </summary>
    public static WanConfig Wan(ModelPart part, JsonObject? config)
    {
        var s = part.Shapes;
        var patch = Shape(s, "patch_embedding.weight", 5);
        var dim = Int(patch[0]);
        var heads = Number(config, "num_heads")
            ?? Number(config, "num_attention_heads")
            ?? (dim % WanHeadDim == 0 ? dim / WanHeadDim : 0);
        if (heads < 1 || dim < 1 || dim % heads != 0)
            throw new UserException(
                $"{part.Name}: a transformer of width {dim}, whose number of heads shapes do not tell "
                    + $"(Wan's heads are {WanHeadDim} wide). Put a config.json with \"num_heads\" beside the file."
            );
        var layers = ModelPart.Blocks(s.Keys, "blocks.") + (part.Kind != PartKind.Student ? 0 : HeadBlocks(part));
        if (layers > MostBlocks)
            throw new UserException($"{part.Name}: {layers} blocks; at most {MostBlocks} are read");
        var volume = Math.Max(1, patch[2] * patch[3] * patch[4]);
        var head = s.ContainsKey("head.head.weight")
            ? "head.head.weight"
            : s.Keys.FirstOrDefault(k => k.EndsWith("head.head.weight", StringComparison.Ordinal))
                ?? "head.head.weight";
        return new()
        {
            PatchSize = [Int(patch[2]), Int(patch[3]), Int(patch[4])],
            InChannels = Int(patch[1]),
            Dim = dim,
            Heads = heads,
            Layers = layers,
            OutChannels = Int(Shape(s, head, 2)[0] / volume),
            FfnDim = Int(Shape(s, "blocks.0.ffn.0.weight", 2)[0]),
            FreqDim = Int(Shape(s, "time_embedding.0.weight", 2)[1]),
            TextDim = Int(Shape(s, "text_embedding.0.weight", 2)[1]),
            ClipDim = part.TakesImage ? Int(s["img_emb.proj.1.weight"][^1]) : 0,
            TextLength = Number(config, "text_len") ?? 512,
            Eps = Real(config, "eps") ?? 1e-6,
        };
    }

    /// <summary>Blocks of a student's heads.</summary>
    public static int HeadBlocks(ModelPart student) =>
        Enum.GetValues<Head>()
            .Max(h => ModelPart.Blocks(student.Shapes.Keys, DecoupledTransformer.Name(h) + ".blocks."));

    /// <summary>Sizes of an autoencoder. Config: diffusers'.</summary>
    public static WanVaeConfig Vae(ModelPart part, JsonObject? config)
    {
        var s = part.Shapes;
        var dim = Int(Shape(s, "encoder.conv1.weight", 5)[0]);
        var z = Int(Shape(s, "conv2.weight", 5)[0]);
        var (mult, temporal, blocks) = (new List<int>(), new List<bool>(), 0);
        for (int i = 0, inStage = 0; ; i++)
        {
            var at = $"encoder.downsamples.{i}";
            if (s.TryGetValue($"{at}.residual.2.weight", out var conv))
            {
                if (inStage++ == 0)
                    mult.Add(dim == 0 || conv.Length == 0 ? 1 : Int(conv[0] / dim));
                if (mult.Count == 1)
                    blocks = inStage;
            }
            else if (s.ContainsKey($"{at}.resample.1.weight"))
            {
                temporal.Add(s.ContainsKey($"{at}.time_conv.weight"));
                inStage = 0;
            }
            else
                break;
        }
        if (mult.Count != temporal.Count + 1)
            throw new UserException(
                $"{part.Name}: an autoencoder whose stages do not follow each other; it may be incomplete"
            );
        var wan = new WanVaeConfig();
        return new()
        {
            Dim = dim,
            ZDim = z,
            DimMult = [.. mult],
            ResBlocks = blocks,
            TemporalDownsample = [.. temporal],
            Mean = Reals(config, "latents_mean") ?? (z == wan.ZDim ? wan.Mean : []),
            Std = Reals(config, "latents_std") ?? (z == wan.ZDim ? wan.Std : []),
        };
    }

    /// <summary>Sizes of a umT5 encoder. Config: transformers'.</summary>
    public static UmT5Config Text(ModelPart part, JsonObject? config)
    {
        var s = part.Shapes;
        var shared = s.ContainsKey("pos_embedding.embedding.weight");
        var table = Shape(s, "token_embedding.weight", 2);
        var positions = Shape(
            s,
            shared ? "pos_embedding.embedding.weight" : "blocks.0.pos_embedding.embedding.weight",
            2
        );
        var layers = ModelPart.Blocks(s.Keys, "blocks.");
        if (layers > MostBlocks)
            throw new UserException($"{part.Name}: {layers} blocks; at most {MostBlocks} are read");
        return new(
            Int(table[0]),
            Int(table[1]),
            Int(Shape(s, "blocks.0.attn.q.weight", 2)[0]),
            Int(Shape(s, "blocks.0.ffn.fc1.weight", 2)[0]),
            Int(positions[1]),
            layers,
            Int(positions[0]),
            Number(config, "relative_attention_max_distance") ?? 128,
            shared
        );
    }

    /// <summary>Sizes of CLIP's visual tower. Config: transformers'.</summary>
    public static ClipConfig Clip(ModelPart part, JsonObject? config)
    {
        var s = part.Shapes;
        var (patch, places) = (Shape(s, "visual.patch_embedding.weight", 4), Shape(s, "visual.pos_embedding", 3));
        var (dim, side) = (Int(patch[0]), (int)Math.Sqrt(Math.Max(0, places[1] - 1)));
        var heads = Number(config, "num_attention_heads") ?? (dim % ClipHeadDim == 0 ? dim / ClipHeadDim : 0);
        if (heads < 1 || dim < 1 || dim % heads != 0)
            throw new UserException(
                $"{part.Name}: an image encoder of width {dim}, whose number of heads shapes do not tell "
                    + $"(ViT-H's are {ClipHeadDim} wide). "
                    + "Put a config.json with \"num_attention_heads\" beside the file."
            );
        if (side < 1 || side * side + 1 != places[1])
            throw new UserException(
                $"{part.Name}: an image encoder of {places[1]} places; they must be a square's and one"
            );
        if (config?["hidden_act"] is JsonValue act && act.TryGetValue<string>(out var name) && name != "gelu")
            throw new UserException(
                $"{part.Name}: an image encoder with {name}; Wan's has gelu, so this is another CLIP"
            );
        var layers = ModelPart.Blocks(s.Keys, "visual.transformer.");
        if (layers is < 2 or > MostBlocks)
            throw new UserException($"{part.Name}: {layers} blocks; 2 to {MostBlocks} are read");
        return new()
        {
            ImageSize = Int(side * patch[2]),
            PatchSize = Int(patch[2]),
            Dim = dim,
            Heads = heads,
            Layers = layers,
            FfnDim = Int(Shape(s, "visual.transformer.0.mlp.0.weight", 2)[0]),
            Eps = Real(config, "layer_norm_eps") ?? 1e-5,
        };
    }

    /// <summary>
    /// Names and shapes the model of this kind and config has; null for kinds that are not built here.
    /// </summary>
    public static OrderedDictionary<string, long[]>? Expected(ModelPart part, ModelConfig c)
    {
        var expected = part.Kind switch
        {
            PartKind.Transformer => Weights.Shapes(w => _ = new Transformer(w, c.Model)),
            PartKind.Student => Weights.Shapes(w =>
                _ = new DecoupledTransformer(w, c.Model, c.HeadBlocks, only: part.OnlyHead)
            ),
            PartKind.Vae => Weights.Shapes(w => _ = c.Model.Autoencoder(w)),
            PartKind.TextEncoder => Weights.Shapes(w => _ = new UmT5Encoder(w, c.Text)),
            PartKind.ImageEncoder when c.Clip is { } clip => Weights.Shapes(w => _ = new ClipVision(w, clip)),
            _ => null,
        };
        // The projection into what pictures and texts share is no part of some files, and videos do not need it.
        if (part.Kind == PartKind.ImageEncoder && part.Shapes.TryGetValue("visual.head", out var head))
            expected?.Add("visual.head", head);
        return expected;
    }

    private static long[] Shape(Shapes shapes, string name, int rank) =>
        shapes.TryGetValue(name, out var shape) && shape.Length == rank
            ? shape
            : throw new UserException(
                $"no weight '{name}' of {rank} dimensions: the checkpoint is incomplete, or of another model"
            );

    private static int Int(long size) =>
        size is >= 0 and <= int.MaxValue ? (int)size : throw new UserException($"a size of {size} is no model's");

    private static int? Number(JsonObject? config, string name) =>
        config?[name] is JsonValue v && v.TryGetValue<int>(out var n) ? n : null;

    private static double? Real(JsonObject? config, string name) =>
        config?[name] is JsonValue v && v.TryGetValue<double>(out var n) ? n : null;

    private static double[]? Reals(JsonObject? config, string name) =>
        config?[name] is JsonArray list && list.All(n => n is JsonValue v && v.TryGetValue<double>(out _))
            ? [.. list.Select(n => n!.GetValue<double>())]
            : null;
}
