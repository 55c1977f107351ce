using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Checkpoints;

// The config.json files that other programs read beside the weights.
internal sealed partial class LayoutWriter
{
    private static JsonObject WanConfig(ModelPart part, WanConfig c) =>
        new()
        {
            ["_class_name"] = "WanModel",
            ["dim"] = c.Dim,
            ["eps"] = c.Eps,
            ["ffn_dim"] = c.FfnDim,
            ["freq_dim"] = c.FreqDim,
            ["in_dim"] = c.InChannels,
            ["model_type"] = part.TakesImage ? "i2v" : "t2v",
            ["num_heads"] = c.Heads,
            ["num_layers"] = c.Layers,
            ["out_dim"] = c.OutChannels,
            ["text_len"] = c.TextLength,
        };

    private static JsonObject DiffusersConfig(ModelPart part, WanConfig c) =>
        new()
        {
            ["_class_name"] = "WanTransformer3DModel",
            ["added_kv_proj_dim"] = part.TakesImage ? c.Dim : null,
            ["attention_head_dim"] = c.HeadDim,
            ["cross_attn_norm"] = true,
            ["eps"] = c.Eps,
            ["ffn_dim"] = c.FfnDim,
            ["freq_dim"] = c.FreqDim,
            ["image_dim"] = part.TakesImage ? part.Shapes["img_emb.proj.1.weight"][^1] : null,
            ["in_channels"] = c.InChannels,
            ["num_attention_heads"] = c.Heads,
            ["num_layers"] = c.Layers,
            ["out_channels"] = c.OutChannels,
            ["patch_size"] = Numbers(c.PatchSize),
            ["qk_norm"] = "rms_norm_across_heads",
            ["rope_max_seq_len"] = 1024,
            ["text_dim"] = c.TextDim,
        };

    private static JsonObject DiffusersConfig(WanVaeConfig c) =>
        new()
        {
            ["_class_name"] = "AutoencoderKLWan",
            ["attn_scales"] = new JsonArray(),
            ["base_dim"] = c.Dim,
            ["dim_mult"] = Numbers(c.DimMult),
            ["dropout"] = 0.0,
            ["latents_mean"] = new JsonArray([.. c.Mean.Select(m => JsonValue.Create(m))]),
            ["latents_std"] = new JsonArray([.. c.Std.Select(s => JsonValue.Create(s))]),
            ["num_res_blocks"] = c.ResBlocks,
            ["temperal_downsample"] = new JsonArray([.. c.TemporalDownsample.Select(t => JsonValue.Create(t))]),
            ["z_dim"] = c.ZDim,
        };

    private static JsonObject TransformersConfig(UmT5Config c) =>
        new()
        {
            ["architectures"] = new JsonArray("UMT5EncoderModel"),
            ["model_type"] = "umt5",
            ["d_model"] = c.Dim,
            ["d_ff"] = c.DimFeedForward,
            ["d_kv"] = c.DimAttention / c.Heads,
            ["num_heads"] = c.Heads,
            ["num_layers"] = c.Layers,
            ["vocab_size"] = c.Vocab,
            ["relative_attention_num_buckets"] = c.Buckets,
            ["relative_attention_max_distance"] = c.MaxDistance,
            ["feed_forward_proj"] = "gated-gelu",
            ["is_gated_act"] = true,
            ["dense_act_fn"] = "gelu_new",
            ["layer_norm_epsilon"] = 1e-6,
            ["tie_word_embeddings"] = false,
            ["eos_token_id"] = 1,
            ["pad_token_id"] = 0,
        };

    private static JsonObject TransformersConfig(ModelPart part, ClipConfig c) =>
        new()
        {
            ["architectures"] = new JsonArray("CLIPVisionModel"),
            ["model_type"] = "clip_vision_model",
            ["hidden_act"] = "gelu",
            ["hidden_size"] = c.Dim,
            ["image_size"] = c.ImageSize,
            ["intermediate_size"] = c.FfnDim,
            ["layer_norm_eps"] = c.Eps,
            ["num_attention_heads"] = c.Heads,
            ["num_channels"] = 3,
            ["num_hidden_layers"] = c.Layers,
            ["patch_size"] = c.PatchSize,
            ["projection_dim"] = part.Shapes.TryGetValue("visual.head", out var head) ? head[^1] : 1024,
        };

    // How other programs read pictures; LongTake does as Wan's own.
    private static JsonObject Processor(ClipConfig c) =>
        new()
        {
            ["image_processor_type"] = "CLIPImageProcessor",
            ["crop_size"] = new JsonObject { ["height"] = c.ImageSize, ["width"] = c.ImageSize },
            ["do_center_crop"] = true,
            ["do_convert_rgb"] = true,
            ["do_normalize"] = true,
            ["do_rescale"] = true,
            ["do_resize"] = true,
            ["image_mean"] = new JsonArray(0.48145466, 0.4578275, 0.40821073),
            ["image_std"] = new JsonArray(0.26862954, 0.26130258, 0.27577711),
            ["resample"] = 3,
            ["rescale_factor"] = 1 / 255.0,
            ["size"] = new JsonObject { ["shortest_edge"] = c.ImageSize },
        };

    private static JsonArray Numbers(int[] numbers) => [.. numbers.Select(n => (JsonNode?)JsonValue.Create(n))];
}
