using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Checkpoints;

/// <summary>
/// Finds the files of a checkpoint by where they lie and opens them; the names inside say what they are.
/// </summary>
internal sealed class FoundFiles(string path) : IDisposable
{
    private readonly List<WeightFile> open = [];
    private readonly Dictionary<ModelPart, string> fileOf = new(ReferenceEqualityComparer.Instance);
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

    /// <summary>Whether a folder looks like one of weights in a published layout.</summary>
    public static bool IsFolder(string path) =>
        File.Exists(System.IO.Path.Combine(path, "model_index.json"))
        || Directory
            .EnumerateDirectories(path)
            .Select(d => System.IO.Path.GetFileName(d))
            .Any(d => d is "diffusion_models" or "unet" || Experts.IsOne(d))
        || Directory.EnumerateFiles(path).Any(WeightFile.IsOne);

    public void Find()
    {
        if (System.IO.Path.Exists(path))
            Experts.Refuse(path);
        if (Directory.Exists(path))
            Folder();
        else if (File.Exists(path))
            Single();
        else
            throw new UserException($"{path}: no such file or folder{Tried}", usage: true);
        if (Parts.Count == 0)
            throw Unknown();
    }

    private string Tried => System.IO.Path.IsPathRooted(path) ? "" : $" (looked in {Directory.GetCurrentDirectory()})";

    private UserException Unknown() =>
        new(
            $"{path}: no weights of a known layout here. Known are the original Wan folder "
                + $"(diffusion_pytorch_model*.safetensors, "
                + "models_t5_*.pth, models_clip_*.pth, Wan2.1_VAE.pth), a diffusers folder (model_index.json), "
                + "ComfyUI's files (diffusion_models, vae, text_encoders, clip_vision), LongTake's own folder "
                + "(config.json with \"wan\"), and single .safetensors, .gguf, .pt and .pth files.",
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
        foreach (var same in Parts.Where(p => p.Kind != PartKind.Other).GroupBy(p => (p.Kind, p.Name)))
            if (same.Count() > 1)
                throw Which(same.Select(p => fileOf[p]));
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
        if (
            ModelFiles.Json(At("model_index.json"))?["_class_name"] is JsonValue name
            && name.TryGetValue<string>(out var pipeline)
            && !pipeline.Contains("Wan", StringComparison.Ordinal)
        )
            throw new UserException($"{path}: a {pipeline} by its model_index.json; LongTake reads Wan 2.1.");
        foreach (var part in (string[])["transformer", "vae", "text_encoder", "image_encoder"])
            if (Weights(deep: true, At(part)) is { } file)
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
            if (Weights(deep: true, [.. folders.Select(f => At(f))]) is { } file)
                Add(name, file);
    }

    private void Original(JsonObject? config)
    {
        if (Weights(deep: false, path) is { } transformer)
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
        if (!File.Exists(At(names)))
            return;
        tokenizerFile = At(names);
        Impostor.Refuse(tokenizerFile);
    }

    /// <summary>
    /// The weights of one model in some folders: an index of shards, or a file; null when there are none. With
    /// <paramref name="deep"/> also in folders inside them, and PyTorch's files.
    /// </summary>
    /// <exception cref="UserException">Several.</exception>
    private static string? Weights(bool deep, params string[] folders)
    {
        string[] all =
        [
            .. folders
                .Where(Directory.Exists)
                .SelectMany(f =>
                    Directory.GetFiles(f, "*", deep ? SearchOption.AllDirectories : SearchOption.TopDirectoryOnly)
                )
                .Where(WeightFile.IsOne)
                .Order(StringComparer.Ordinal),
        ];
        bool Ends(string file, string end) => file.EndsWith(end, StringComparison.OrdinalIgnoreCase);
        string[] indexes = [.. all.Where(f => Ends(f, WeightFile.IndexEnding))];
        // Shards lie beside their index; what is saved in both formats is taken as safetensors.
        string[] found =
        [
            .. indexes.Length > 0 ? indexes : all.Where(f => !WeightFile.IsPickle(f) && !Ends(f, ".gguf")),
            .. all.Where(f => Ends(f, ".gguf")),
        ];
        if (found.Length == 0 && deep)
            found = [.. all.Where(WeightFile.IsPickle)];
        return found.Length <= 1 ? found.FirstOrDefault() : throw Which(found);
    }

    private static UserException Which(IEnumerable<string> files)
    {
        string[] all = [.. files];
        return all.All(f => Experts.IsOne(System.IO.Path.GetFileName(f)))
            ? Experts.Two(System.IO.Path.GetDirectoryName(all[0])!, Names(all))
            : new($"{System.IO.Path.GetDirectoryName(all[0])}: which one? Name one of {Names(all)}.", usage: true);

        static string Names(string[] files) => string.Join(", ", files.Select(System.IO.Path.GetFileName).Take(8));
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
        var weights = WeightFile.Open(file);
        open.Add(weights);
        Names.AddRange(weights.Files);
        foreach (var (key, value) in weights.Metadata)
            Metadata.TryAdd(key, value);
        var found = new List<ModelPart>();
        foreach (var (group, stored) in weights.Groups)
        {
            var tensors = ScaledWeights.PutTogether(stored);
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
        foreach (var part in useful.Count > 0 ? useful : found.Take(1))
        {
            Parts.Add(part);
            fileOf[part] = file;
        }
        return Parts.Count > 0 ? Parts[^1].Kind : PartKind.Other;
    }

    public void Dispose() => open.ForEach(o => o.Dispose());
}
