using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Checkpoints;

/// <summary>
/// Where the parts of a checkpoint go in a layout, and the small files each layout has beside the weights.
/// </summary>
internal sealed class LayoutWriter(
    string folder,
    ModelFiles from,
    ConversionRequest request,
    Action<string>? step,
    IReadOnlyDictionary<string, string> metadata
)
{
    private const string Diffusion = "diffusion_pytorch_model.safetensors";
    private static readonly JsonSerializerOptions indented = new() { WriteIndented = true, NewLine = "\n" };

    private string At(params ReadOnlySpan<string> names)
    {
        var path = Path.Combine([folder, .. names]);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return path;
    }

    private static void Json(string path, JsonNode json) => AtomicFile.Write(path, file =>
        {
            using (var writer = new Utf8JsonWriter(file, new() { Indented = true, NewLine = "\n" }))
                json.WriteTo(writer, indented);
            file.WriteByte((byte)'\n');
        });

    private void Tensors(string path, IReadOnlyList<LazyTensor> tensors) =>
        TensorFiles.Write(path, tensors, request.Dtype, metadata, request.ShardBytes);

    public void Part(ModelPart part)
    {
        step?.Invoke(part.Name);
        var c = from.Config;
        switch (request.To, part.Kind)
        {
            case (Layout.Wan, PartKind.Transformer):
                Tensors(At(Diffusion), part.Tensors);
                Json(At("config.json"), WanConfig(part, c.Wan));
                break;
            case (Layout.Wan, PartKind.Vae):
                TorchFileWriter.Write(At("Wan2.1_VAE.pth"), request.Dtype, ("", part.Tensors));
                break;
            case (Layout.Wan, PartKind.TextEncoder):
                TorchFileWriter.Write(At("models_t5_umt5-xxl-enc-bf16.pth"), request.Dtype, ("", part.Tensors));
                break;

            case (Layout.Wan, PartKind.ImageEncoder):
                TorchFileWriter.Write(
                    At("models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"),
                    request.Dtype,
                    ("", part.Tensors)
                );
                break;

            case (Layout.Diffusers, PartKind.Transformer):
                Tensors(At("transformer", Diffusion), Conversion.Renamed(part, Names.Transformer));
                Json(At("transformer", "config.json"), DiffusersConfig(part, c.Wan));
                break;
            case (Layout.Diffusers, PartKind.Vae):
                Tensors(
                    At("vae", Diffusion),
                    Conversion.Renamed(part, Names.Vae(c.Vae.DimMult.Length, c.Vae.ResBlocks))
                );
                Json(At("vae", "config.json"), DiffusersConfig(c.Vae));
                break;
            case (Layout.Diffusers, PartKind.TextEncoder):
                Tensors(At("text_encoder", "model.safetensors"), Conversion.Renamed(part, Names.Text));
                Json(At("text_encoder", "config.json"), TransformersConfig(c.Text));
                break;

            case (Layout.Diffusers, PartKind.ImageEncoder):
                Tensors(At("image_encoder", "model.safetensors"), ClipNames.ToTransformers(part));
                Json(At("image_encoder", "config.json"), TransformersConfig(part, c.Clip!));
                Json(At("image_processor", "preprocessor_config.json"), Processor(c.Clip!));
                break;

            case (Layout.Comfy, _):
                var place = part.Kind switch
                {
                    PartKind.Vae => ("vae", "wan_vae"),
                    PartKind.TextEncoder => ("text_encoders", "umt5"),
                    PartKind.ImageEncoder => ("clip_vision", "clip_vision_h"),
                    _ => ("diffusion_models", "wan"),
                };
                TensorFiles.Write(
                    At(place.Item1, place.Item2 + ".safetensors"),
                    Conversion.ToComfy(part, from),
                    request.Dtype,
                    metadata
                );
                break;

            default:
                TensorFiles.Write(At(OwnName(part) + ".safetensors"), part.Tensors, request.Dtype);
                if (part.Kind == PartKind.Transformer && from.Part(PartKind.Student) is null)
                    TensorFiles.Write(
                        At(ModelFolder.Student + ".safetensors"),
                        part.AsStudent(c.HeadBlocks).Tensors,
                        request.Dtype
                    );
                break;
        }
    }

    // A transformer of another layout is a teacher of short clips; a student's head has become a transformer of its
    // own.
    private string OwnName(ModelPart part) =>
        (part.Kind, from.Layout) switch
        {
            (PartKind.Vae, _) => ModelFolder.Vae,
            (PartKind.TextEncoder, _) => ModelFolder.Text,
            (PartKind.ImageEncoder, _) => ModelFolder.Image,
            (PartKind.Transformer, Layout.LongTake) when part.Name == ModelFolder.Student => ModelFolder.Transformer,
            (_, Layout.LongTake) => part.Name,
            _ => ModelFolder.Teacher,
        };

    public void Rest(IReadOnlyList<ModelPart> parts)
    {
        if (request.To == Layout.LongTake)
            Recipe.Write(At("config.json"), from.Config, ModelJson.Default.ModelConfig);
        if (request.To == Layout.Diffusers && parts.Count > 1)
        {
            var image = parts.Any(p => p.TakesImage);
            Json(At("model_index.json"), Pipeline(parts, image));
            Json(
                At("scheduler", "scheduler_config.json"),
                new JsonObject
                {
                    ["_class_name"] = "UniPCMultistepScheduler",
                    ["flow_shift"] = from.Config.Shift,
                    ["num_train_timesteps"] = 1000,
                    ["prediction_type"] = "flow_prediction",
                    ["predict_x0"] = true,
                    ["solver_order"] = 2,
                    ["solver_type"] = "bh2",
                    ["use_flow_sigmas"] = true,
                }
            );
        }
        if (request.To != Layout.Comfy && from.Tokenizer is { } bytes)
            File.WriteAllBytes(
                request.To switch
                {
                    Layout.Wan => At("google", "umt5-xxl", "spiece.model"),
                    Layout.Diffusers => At("tokenizer", "spiece.model"),
                    _ => At("tokenizer.model"),
                },
                bytes
            );
    }

    private JsonObject Pipeline(IReadOnlyList<ModelPart> parts, bool image)
    {
        var index = new JsonObject
        {
            ["_class_name"] = image ? "WanImageToVideoPipeline" : "WanPipeline",
            ["scheduler"] = Pair("diffusers", "UniPCMultistepScheduler"),
        };
        foreach (var part in parts)
            (
                index[
                    part.Kind switch
                    {
                        PartKind.Vae => "vae",
                        PartKind.TextEncoder => "text_encoder",
                        PartKind.ImageEncoder => "image_encoder",
                        _ => "transformer",
                    }
                ]
            ) = part.Kind switch
            {
                PartKind.Vae => Pair("diffusers", "AutoencoderKLWan"),
                PartKind.TextEncoder => Pair("transformers", "UMT5EncoderModel"),
                PartKind.ImageEncoder => Pair("transformers", "CLIPVisionModel"),
                _ => Pair("diffusers", "WanTransformer3DModel"),
            };
        if (parts.Any(p => p.Kind == PartKind.ImageEncoder))
            index["image_processor"] = Pair("transformers", "CLIPImageProcessor");
        if (from.Tokenizer is not null)
            index["tokenizer"] = Pair("transformers", "T5Tokenizer");
        return index;

        static JsonArray Pair(string library, string type) => [library, type];
    }

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
