using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Checkpoints;

/// <summary>
/// Where the parts of a checkpoint go in a layout, and the small files each layout has beside the weights.
/// </summary>
internal sealed partial class LayoutWriter(
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
}
