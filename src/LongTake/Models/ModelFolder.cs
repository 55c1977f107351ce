using System.Security.Cryptography;
using LongTake.Models.Text;

namespace LongTake.Models;

/// <summary>
/// A model on disk: <c>config.json</c> and, each optional, <c>vae</c>, <c>text_encoder</c>, <c>teacher</c> (a Wan
/// transformer of short clips), <c>transformer</c> (one of long takes), <c>student</c> (encoder and both heads),
/// <c>generator</c> (a Wan transformer that looks back only), <c>image_encoder</c> (CLIP's visual tower, of
/// image-to-video models) as safetensors, <c>tokenizer.model</c>.
/// </summary>
public sealed class ModelFolder
{
    /// <summary>
    /// The words that a model of a small vocabulary has read, a <see cref="WordVocabulary"/>: for warnings only.
    /// </summary>
    public const string Words = "words.txt";

    public const string Vae = "vae",
        Text = "text_encoder",
        Teacher = "teacher",
        Transformer = "transformer",
        Student = "student",
        Generator = "generator",
        Image = "image_encoder";

    private ModelFolder(string path, ModelConfig config) => (Path, Config) = (path, config);

    public string Path { get; }
    public ModelConfig Config { get; }

    /// <summary>Opens a model folder, or says why it is none.</summary>
    public static ModelFolder Open(string path)
    {
        var file = System.IO.Path.Combine(path, "config.json");
        if (!File.Exists(file))
            throw new UserException($"{path}: no model here (no config.json)", usage: true);
        return new(path, Recipe.Read(file, [], ModelJson.Default.ModelConfig));
    }

    /// <summary>
    /// Starts a model folder, taking over every part of <paramref name="from"/> that is not written anew.
    /// </summary>
    public static ModelFolder Create(
        string path,
        ModelConfig config,
        ModelFolder? from = null,
        params ReadOnlySpan<string> without
    )
    {
        Directory.CreateDirectory(path);
        Recipe.Write(System.IO.Path.Combine(path, "config.json"), config, ModelJson.Default.ModelConfig);
        if (from is null)
            return new(path, config);
        foreach (var part in (string[])[Vae, Text, Teacher, Transformer, Student, Generator, Image])
            if (from.Has(part) && !without.Contains(part))
                HardLink.OrCopy(from.PartFile(part), new ModelFolder(path, config).PartFile(part));
        if (from.HasTokenizer)
            File.Copy(from.TokenizerFile, System.IO.Path.Combine(path, "tokenizer.model"), overwrite: true);
        return new(path, config);
    }

    private string PartFile(string part) => System.IO.Path.Combine(Path, part + ".safetensors");

    public bool Has(string part) => File.Exists(PartFile(part));

    public string TokenizerFile => System.IO.Path.Combine(Path, "tokenizer.model");
    public bool HasTokenizer => File.Exists(TokenizerFile);

    /// <summary>Opens the weights of a part; a clear error when it is missing.</summary>
    public SafetensorsSet OpenPart(string part) =>
        Has(part)
            ? SafetensorsSet.Open(PartFile(part))
            : throw new UserException($"{Path}: this model has no {part}.safetensors, which this work needs");

    /// <summary>Writes the weights of a part.</summary>
    public void Save(string part, Weights weights, ScalarType dtype = ScalarType.BFloat16) =>
        TensorFiles.Write(PartFile(part), weights.All, dtype: dtype);

    /// <summary>First 16 hexadecimal digits of the SHA-256 of a part's file.</summary>
    public string Hash(string part)
    {
        using var stream = File.OpenRead(PartFile(part));
        return Convert.ToHexStringLower(SHA256.HashData(stream))[..16];
    }

    /// <summary>The autoencoder and its weights, not trainable.</summary>
    public (VideoAutoencoder Vae, Weights Weights) LoadVae(
        ScalarType dtype = ScalarType.BFloat16,
        torch.Device? device = null
    )
    {
        using var file = OpenPart(Vae);
        var weights = Weights.Load(file.Source(), dtype, device);
        return (Config.Model.Autoencoder(weights, dtype), weights);
    }

    /// <summary>
    /// The text encoder and its weights, not trainable. One of <paramref name="large"/> parameters or more stays on
    /// disk and gives what the cache of texts holds (<see cref="TextEncoder.Prepare"/>); it computes in bfloat16.
    /// </summary>
    public (TextEncoder Text, Weights Weights) LoadText(torch.Device? device = null, long large = TextCache.Large)
    {
        using var file = OpenPart(Text);
        if (file.Names.Sum(n => file.Entry(n).Shape.Aggregate(1L, (a, b) => a * b)) < large)
            return Loaded(ScalarType.Float32);
        var encoder =
            $"{SmallHash(file)} {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(TokenizerFile)))} "
            + $"{Config.Model.TextLength} {ScalarType.BFloat16}";
        return (
            new TextEncoder(new TextCache(TextCache.Folder, encoder, () => Loaded(ScalarType.BFloat16)), device),
            Weights.Create(new Rng(0))
        );

        (TextEncoder Text, Weights Weights) Loaded(ScalarType dtype)
        {
            using var opened = OpenPart(Text);
            var weights = Weights.Load(opened.Source(), dtype, device);
            return (
                new TextEncoder(weights, Config.Text, Vocabulary.Open(TokenizerFile), Config.Model.TextLength),
                weights
            );
        }
    }

    // Tensors of more than a mebibyte count by name, type and shape: norms and positions differ wherever training went
    // on.
    private static string SmallHash(SafetensorsSet file)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in file.Names.Order(StringComparer.Ordinal))
        {
            var entry = file.Entry(name);
            hash.AppendData(
                System.Text.Encoding.UTF8.GetBytes($"{name} {entry.Dtype} {string.Join(' ', entry.Shape)}\n")
            );
            if (entry.Length <= 1 << 20)
                hash.AppendData(file.Bytes(name));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>This model with transformers that compute their blocks again in backward.</summary>
    public ModelFolder Recomputing() => new(Path, Config with { Wan = Config.Wan with { Recompute = true } });

    /// <summary>A transformer and its weights, in the element type given.</summary>
    public (Transformer Network, Weights Weights) LoadTransformer(
        string part,
        ScalarType dtype = ScalarType.Float32,
        torch.Device? device = null
    )
    {
        using var file = OpenPart(part);
        var weights = Weights.Load(file.Source(), dtype, device);
        return (new Transformer(weights, Config.Model), weights);
    }
}
