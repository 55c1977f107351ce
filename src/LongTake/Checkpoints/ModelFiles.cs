using System.Text.Json;
using System.Text.Json.Nodes;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Checkpoints;

/// <summary>The ways weights of Wan 2.1 lie on a disk.</summary>
public enum Layout
{
    /// <summary>
    /// The original folder: config.json, diffusion_pytorch_model*.safetensors, models_t5_*.pth, Wan2.1_VAE.pth.
    /// </summary>
    Wan,

    /// <summary>A diffusers pipeline (model_index.json) or one folder of it.</summary>
    Diffusers,

    /// <summary>ComfyUI: single files, alone or in diffusion_models, vae and text_encoders.</summary>
    Comfy,

    /// <summary>A PyTorch file of research code: generator, generator_ema, critic.</summary>
    Research,

    /// <summary>LongTake's own model folder.</summary>
    LongTake,

    /// <summary>One file of one part under the original names.</summary>
    File,
}

/// <summary>
/// Weights on disk in any of the known layouts: which parts there are, each under Wan's original names and read when
/// wanted, the sizes of the models, and the tokenizer. Files stay mapped until it is disposed.
/// </summary>
public sealed class ModelFiles : IDisposable
{
    /// <summary>The tensor in which ComfyUI's text encoder files keep the tokenizer's bytes.</summary>
    internal const string TokenizerTensor = "spiece_model";

    /// <summary>The whole config of a model, beside weights of another layout that cannot tell all of it.</summary>
    public const string ConfigFile = "longtake.json";

    // What Wan's own program leads away from.
    private const string WanNegativePrompt =
        "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，丑陋的，残缺的，"
        + "多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走";

    // Where a file holds several transformers, the one that videos are made with.
    private static readonly string[] preferred =
    [
        ModelFolder.Transformer,
        "generator_ema",
        "generator",
        "model_ema",
        "ema",
        "model",
        "state_dict",
        ModelFolder.Teacher,
    ];

    private readonly FoundFiles files;
    private readonly Dictionary<string, ModelFiles> loras = [];
    private ModelConfig? config;
    private IReadOnlyList<ModelPart>? parts;
    private readonly Dictionary<ModelPart, IReadOnlyList<string>> problems = new(ReferenceEqualityComparer.Instance);

    private ModelFiles(FoundFiles files) => this.files = files;

    /// <summary>Ends the reading of all values that <see cref="Problems"/> does.</summary>
    internal CancellationToken Cancel { get; set; }

    /// <summary>The path it was opened with.</summary>
    public string Path => files.Path;

    /// <inheritdoc cref="Checkpoints.Layout"/>
    public Layout Layout => files.Layout;

    /// <summary>The models found, in the order of the files.</summary>
    public IReadOnlyList<ModelPart> Parts =>
        parts ??= Layout == Layout.LongTake ? [.. files.Parts.Select(p => p.ByFileName())] : files.Parts;

    /// <summary>Sizes of the parts that are there; the rest is as in Wan 2.1.</summary>
    /// <exception cref="UserException">A part is incomplete, or the number of its heads is unknown.</exception>
    public ModelConfig Config => config ??= Sized();

    /// <summary>The files that were opened, shards one by one.</summary>
    public IReadOnlyList<string> Files => files.Names;

    /// <summary>What safetensors say of themselves; where two differ on a key, the first one's.</summary>
    public IReadOnlyDictionary<string, string> Metadata => files.Metadata;

    /// <summary>The bytes of the SentencePiece model; null when none is there.</summary>
    public byte[]? Tokenizer => files.Tokenizer;

    /// <summary>Whether a path is a file that is called as weights are.</summary>
    public static bool AreWeights(string path) => System.IO.File.Exists(path) && WeightFile.IsOne(path);

    /// <summary>Opens a folder or a file in any layout: the one door for weights.</summary>
    /// <exception cref="UserException">Nothing there, nothing known, several candidates, a broken or refused
    /// file.</exception>
    public static ModelFiles Open(string path)
    {
        var files = new FoundFiles(path);
        try
        {
            files.Find();
            return new(files);
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>The part of a kind, or of that name; null when there is none.</summary>
    /// <exception cref="UserException">Usage: a name is given and no part of the kind has it.</exception>
    public ModelPart? Part(PartKind kind, string? name = null)
    {
        var all = Parts.Where(p => p.Kind == kind).ToList();
        if (name is not null)
            return all.FirstOrDefault(p => p.Name == name)
                ?? throw new UserException(
                    $"{Path}: no {kind} called '{name}'; there {(all.Count == 1 ? "is" : "are")} "
                        + $"{(all.Count == 0 ? "none" : string.Join(", ", all.Select(p => p.Name)))}",
                    usage: true
                );
        return all.OrderBy(p => Array.IndexOf(preferred, p.Name) is var at && at < 0 ? preferred.Length : at)
            .FirstOrDefault();
    }

    /// <summary>The part of a kind; an error that says what is here when there is none.</summary>
    public ModelPart Require(PartKind kind, string? name = null) =>
        Part(kind, name)
        ?? throw new UserException(
            $"{Path}: holds no {kind}, which this work needs; it holds "
                + (Parts.Count == 0 ? "nothing known" : string.Join(", ", Parts.Select(p => $"{p.Name} ({p.Kind})")))
        );

    /// <summary>A part with LoRAs added; their files stay open as long as these.</summary>
    /// <exception cref="UserException">No file; damaged; not for this part.</exception>
    public ModelPart WithLoras(ModelPart part, IEnumerable<(string Path, double Strength)> changes)
    {
        foreach (var (path, strength) in changes)
        {
            if (!loras.TryGetValue(path, out var lora))
            {
                loras[path] = lora = Open(path);
                lora.Check(lora.Parts);
            }
            part = Lora.Merge(part, path, strength, lora);
        }
        return part;
    }

    /// <summary>Closes the files; what was read stays.</summary>
    public void Dispose()
    {
        foreach (var lora in loras.Values)
            lora.Dispose();
        files.Dispose();
    }

    private ModelConfig Sized()
    {
        if (Others.FirstOrDefault() is { } other)
            throw new UserException(other);
        if (files.Whole is { } whole)
            return Recipe.Read(whole, [], ModelJson.Default.ModelConfig);
        var transformer = Part(PartKind.Transformer) ?? Part(PartKind.Student);
        var wan = transformer is null ? new() : Sizes.Wan(transformer, files.Config(PartKind.Transformer));
        var config = new ModelConfig
        {
            Name = System.IO.Path.GetFileName(
                System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(Path))
            ),
            Fps = 16,
            Width = 832,
            Height = 480,
            ClipLatents = 21,
            VideoLatents = 245,
            FewSteps = [1000, 937.5, 2500.0 / 3, 625],
            Shift = 3,
            Guidance = 5,
            NegativePrompt = WanNegativePrompt,
            Wan = wan,
            HeadBlocks =
                transformer?.Kind == PartKind.Student
                    ? Sizes.HeadBlocks(transformer)
                    : Math.Max(1, Math.Min(5, wan.Layers / 2)),
        };
        if (Part(PartKind.Vae) is { } vae)
            config = config with { Vae = Sizes.Vae(vae, files.Config(PartKind.Vae)) };
        if (Part(PartKind.TextEncoder) is { } text)
            config = config with { Text = Sizes.Text(text, files.Config(PartKind.TextEncoder)) };
        if (Part(PartKind.ImageEncoder) is { } clip)
            config = config with { Clip = Sizes.Clip(clip, files.Config(PartKind.ImageEncoder)) };
        return config;
    }

    /// <summary>
    /// What is wrong with a part, one sentence each: it is of a model that is not read, lacks weights, has others or
    /// other shapes, or holds NaN or infinity, for which all of it is read once.
    /// </summary>
    public IReadOnlyList<string> Problems(ModelPart part)
    {
        if (!problems.TryGetValue(part, out var found))
            problems[part] = found = Soundness.Problems(this, part);
        return found;
    }

    // Parts of models that are not read, of those that would be used.
    private IEnumerable<string> Others =>
        Parts.Where(p => p.Kind == PartKind.Other || p == Part(p.Kind)).Select(OtherModels.Of).OfType<string>();

    /// <summary>Refuses parts that something is wrong with, and a model that is not read.</summary>
    /// <exception cref="UserException">The first of their <see cref="Problems"/>.</exception>
    public void Check(params IEnumerable<ModelPart?> parts)
    {
        if (Others.FirstOrDefault() is { } other)
            throw new UserException($"{Path}: {other}");
        foreach (var part in parts.OfType<ModelPart>())
            if (Problems(part) is [var problem, ..])
                throw new UserException($"{Path}: {problem}");
    }

    /// <summary>What a video needs and is not here.</summary>
    public IReadOnlyList<string> Absent => [.. Soundness.Absent(this).Select(a => a.What)];

    /// <summary>Refuses a model that lacks parts without which there is no video.</summary>
    /// <exception cref="UserException">What it lacks, and where that would lie.</exception>
    public void CheckWhole()
    {
        if (Soundness.Absent(this) is { Count: > 0 } absent)
            throw new UserException(
                $"{Path}: no {string.Join(", no ", absent.Select(a => a.What))} here, without which there is no video; "
                    + string.Join("; ", absent.Select(a => $"the {a.What} is {a.Where}"))
            );
    }

    /// <summary>A JSON object out of a file; null when there is none.</summary>
    internal static JsonObject? Json(string path)
    {
        if (!System.IO.File.Exists(path))
            return null;
        Impostor.Refuse(path);
        try
        {
            return JsonNode.Parse(
                    System.IO.File.ReadAllBytes(path),
                    documentOptions: new() { AllowDuplicateProperties = false }
                ) as JsonObject;
        }
        catch (JsonException e)
        {
            throw new UserException($"{path}: not valid JSON ({e.Message.TrimEnd('.')})", inner: e);
        }
    }
}
