using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Checkpoints;

/// <summary>
/// Finds the files of a checkpoint by where they lie and opens them; the names inside say what they are.
/// </summary>
internal sealed class FoundFiles(string path) : IDisposable
{
    private readonly List<IDisposable> open = [];
    private readonly Dictionary<PartKind, JsonObject> configs = [];
    private readonly List<string> raw = []; // names as they are on disk
    private LazyTensor? tokenizer;
    private string? tokenizerFile;

    public string Path => path;
    public Layout Layout { get; private set; } = Layout.File;
    public List<ModelPart> Parts { get; } = [];

    /// <summary>The file that holds the whole config, if one does.</summary>
    public string? Whole { get; private set; }

    public List<string> Names { get; } = [];
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    public JsonObject? Config(PartKind kind) => configs.GetValueOrDefault(kind);

    public byte[]? Tokenizer
    {
        get
        {
            if (tokenizerFile is not null)
                return File.ReadAllBytes(tokenizerFile);
            if (tokenizer is null)
                return null;
            using var scope = torch.NewDisposeScope();
            var read = tokenizer.Read();
            var bytes = new byte[read.Bytes];
            read.CopyTo(bytes);
            return bytes;
        }
    }

    public void Find()
    {
        if (Directory.Exists(path))
            Folder();
        else if (File.Exists(path))
            Single();
        else
            throw new UserException($"{path}: no such file or folder", usage: true);
        if (Parts.Count == 0)
            throw Unknown();
    }

    private UserException Unknown() =>
        new(
            $"{path}: no weights of a known layout here. Known are the original Wan folder "
                + $"(diffusion_pytorch_model*.safetensors, "
                + "models_t5_*.pth, models_clip_*.pth, Wan2.1_VAE.pth), a diffusers folder (model_index.json), "
                + "ComfyUI's files (diffusion_models, vae, text_encoders, clip_vision), LongTake's own folder "
                + "(config.json with \"wan\"), and single .safetensors, .pt and .pth files.",
            usage: true
        );

    private string At(params ReadOnlySpan<string> names) => System.IO.Path.Combine([path, .. names]);

    private void Folder()
    {
        var config = ModelFiles.Json(At("config.json"));
        if (config?["wan"] is not null)
            Own();
        else if (File.Exists(At("model_index.json")))
            Pipeline();
        else if (Directory.Exists(At("diffusion_models")) || Directory.Exists(At("unet")))
            Comfy();
        else
            Original(config);
        if (File.Exists(At(ModelFiles.ConfigFile)))
            Whole = At(ModelFiles.ConfigFile);
    }

    private void Own()
    {
        (Layout, Whole) = (Layout.LongTake, At("config.json"));
        foreach (
            var part in (string[])
                [
                    ModelFolder.Vae,
                    ModelFolder.Text,
                    ModelFolder.Teacher,
                    ModelFolder.Transformer,
                    ModelFolder.Student,
                    ModelFolder.Generator,
                    ModelFolder.Image,
                ]
        )
            if (File.Exists(At(part + ".safetensors")))
                Add(part, At(part + ".safetensors"));
        Tokens("tokenizer.model");
    }

    private void Pipeline()
    {
        Layout = Layout.Diffusers;
        foreach (var part in (string[])["transformer", "transformer_2", "vae", "text_encoder", "image_encoder"])
            if (Directory.Exists(At(part)) && Weights(At(part)) is { } file)
            {
                var kind = Add(part, file);
                if (ModelFiles.Json(At(part, "config.json")) is { } config)
                    configs.TryAdd(kind, config);
            }
        Tokens("tokenizer", "spiece.model");
    }

    private void Comfy()
    {
        Layout = Layout.Comfy;
        foreach (
            var (folders, name) in ((string[], string)[])
                [
                    (["diffusion_models", "unet"], ModelFolder.Transformer),
                    (["vae"], ModelFolder.Vae),
                    (["text_encoders", "clip"], ModelFolder.Text),
                    (["clip_vision"], ModelFolder.Image),
                ]
        )
        foreach (var folder in folders)
            if (Directory.Exists(At(folder)) && Weights(At(folder)) is { } file)
                Add(name, file);
    }

    private void Original(JsonObject? config)
    {
        if (Weights(path) is { } transformer)
        {
            var kind = Add("", transformer);
            if (config is not null)
                configs.TryAdd(kind, config);
        }
        foreach (var pattern in (string[])["models_t5_*.pth", "*VAE*.pth", "models_clip_*.pth", "*.pt"])
        foreach (var file in Directory.GetFiles(path, pattern).Order(StringComparer.Ordinal))
            Add("", file);
        Layout =
            Parts.Count > 0 && Parts.All(p => p.Naming is "diffusers" or "transformers") ? Layout.Diffusers
            : Parts.Any(p => p.Name is "generator" or "generator_ema" or "critic") ? Layout.Research
            : Layout.Wan;
        Tokens("google", "umt5-xxl", "spiece.model");
    }

    private void Tokens(params string[] names)
    {
        if (File.Exists(At(names)))
            tokenizerFile = At(names);
    }

    /// <summary>The one set of safetensors of a folder: an index, or a single file.</summary>
    private static string? Weights(string folder)
    {
        var found = Directory.GetFiles(folder, "*.safetensors.index.json");
        if (found.Length == 0)
            found = Directory.GetFiles(folder, "*.safetensors");
        Array.Sort(found, StringComparer.Ordinal);
        return found.Length <= 1
            ? found.FirstOrDefault()
            : throw new UserException(
                $"{folder}: which one? Name one of "
                    + $"{string.Join(", ", found.Select(System.IO.Path.GetFileName).Take(8))}.",
                usage: true
            );
    }

    private void Single()
    {
        Add("", path);
        var full = System.IO.Path.GetFullPath(path);
        Layout =
            Parts.Any(p => p.Name is "generator" or "generator_ema" or "critic") ? Layout.Research
            : raw.Any(n => n.Contains("diffusion_model.", StringComparison.Ordinal)) || tokenizer is not null
                ? Layout.Comfy
            : Parts.Count > 0 && Parts.All(p => p.Naming is "diffusers" or "transformers") ? Layout.Diffusers
            : Layout.File;
        // What shapes do not tell is looked for beside the file and, as ComfyUI's files lie in folders by kind, above
        // it.
        var beside = System.IO.Path.GetDirectoryName(full)!;
        foreach (var folder in new[] { beside, System.IO.Path.GetDirectoryName(beside) })
            if (folder is not null && File.Exists(System.IO.Path.Combine(folder, ModelFiles.ConfigFile)))
                Whole ??= System.IO.Path.Combine(folder, ModelFiles.ConfigFile);
        if (ModelFiles.Json(System.IO.Path.Combine(beside, "config.json")) is { } config)
        {
            if (config["wan"] is not null)
                Whole ??= System.IO.Path.Combine(beside, "config.json");
            else
                foreach (var part in Parts)
                    configs.TryAdd(part.Kind, config);
        }
    }

    // Files that hold a whole pipeline tell its models apart by these prefixes.
    private static readonly string[] models =
    [
        "model.diffusion_model.",
        "vae.",
        "first_stage_model.",
        "text_encoders.umt5xxl.transformer.",
        "text_encoders.umt5xxl.",
    ];

    private PartKind Add(string name, string file)
    {
        IEnumerable<(string Group, IReadOnlyList<LazyTensor> Tensors)> groups;
        if (
            file.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
            || file.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
        )
        {
            var set = SafetensorsSet.Open(file);
            open.Add(set);
            groups = [("", set.Lazy())];
            Names.AddRange(set.Files.Select(f => f.FilePath));
            foreach (var (key, value) in set.Metadata)
                Metadata.TryAdd(key, value);
        }
        else
        {
            var torch = TorchFile.Open(file);
            open.Add(torch);
            groups = torch.Groups.Select(g => (g.Key, g.Value));
            Names.Add(file);
        }
        var found = new List<ModelPart>();
        foreach (var (group, tensors) in groups)
        {
            raw.AddRange(tensors.Select(t => t.Name));
            tokenizer ??= tensors.FirstOrDefault(t =>
                t.Name.EndsWith(ModelFiles.TokenizerTensor, StringComparison.Ordinal) && t.Dtype == ScalarType.Byte
            );
            var split = tensors
                .GroupBy(t => models.FirstOrDefault(m => t.Name.StartsWith(m, StringComparison.Ordinal)) ?? "")
                .ToList();
            if (split.Count <= 1)
                found.Add(ModelPart.Recognise(group.Length > 0 ? group : name, tensors));
            else
                found.AddRange(
                    split
                        .Where(s => s.Key.Length > 0)
                        .Select(s =>
                            ModelPart.Recognise("", [.. s.Select(t => t with { Name = t.Name[s.Key.Length..] })])
                        )
                );
        }
        // Optimiser states and counters are of no use; a file of nothing else is still shown for what it is.
        var useful = found.Where(p => p.Kind != PartKind.Other).ToList();
        Parts.AddRange(useful.Count > 0 ? useful : found.Take(1));
        return Parts.Count > 0 ? Parts[^1].Kind : PartKind.Other;
    }

    public void Dispose() => open.ForEach(o => o.Dispose());
}
