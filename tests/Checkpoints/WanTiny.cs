using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Checkpoints;

/// <summary>
/// A Wan of tiny sizes and random weights: transformer in float32, autoencoder in float32, umT5 in bfloat16, a
/// tokenizer; with pictures also CLIP in float32.
/// </summary>
public sealed class WanTiny : IDisposable
{
    public static readonly ModelConfig Config = new()
    {
        Name = "wan-tiny",
        Fps = 16,
        Width = 16,
        Height = 16,
        ClipLatents = 3,
        VideoLatents = 7,
        FewSteps = [1000, 500],
        HeadBlocks = 1,
        Shift = 5,
        Vae = new()
        {
            Dim = 4,
            ZDim = 4,
            DimMult = [1, 2, 2],
            ResBlocks = 2,
            TemporalDownsample = [false, true],
            Mean = [0.1, -0.2, 0, 0.3],
            Std = [1.5, 0.7, 1, 2],
        },
        Text = new(40, 8, 8, 16, 2, 2),
        Wan = new()
        {
            TextLength = 16,
            InChannels = 4,
            OutChannels = 4,
            Dim = 24,
            FfnDim = 32,
            FreqDim = 16,
            TextDim = 8,
            Heads = 2,
            Layers = 3,
        },
    };

    public static readonly ModelConfig ImageConfig = Config with
    {
        // 4 of the video, a mask of 2, 4 of the picture
        Name = "wan-tiny-i2v",
        Wan = Config.Wan with { InChannels = 10, ClipDim = 20 },
        Clip = new()
        {
            ImageSize = 12,
            PatchSize = 4,
            Dim = 20,
            FfnDim = 28,
            Heads = 2,
            Layers = 3,
        },
    };

    // At most as many pieces as the text encoder has rows.
    private static readonly Lazy<byte[]> tokenizer = new(() =>
    {
        var folder = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            WordVocabulary
                .Train(["a cat in a hat", "a red cat", "the hat is red", "the cat at the door"], (int)Config.Text.Vocab)
                .Save(Path.Combine(folder, "tokens.model"));
            return File.ReadAllBytes(Path.Combine(folder, "tokens.model"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    });

    public WanTiny(string? root = null, bool pictures = false, string name = "own")
    {
        Root = root ?? Directory.CreateTempSubdirectory("longtake-").FullName;
        var config = pictures ? ImageConfig : Config;
        var folder = ModelFolder.Create(this[name], config);
        Part(folder, ModelFolder.Vae, 1, ScalarType.Float32, w => _ = Config.Model.Autoencoder(w));
        Part(folder, ModelFolder.Text, 2, ScalarType.BFloat16, w => _ = new UmT5Encoder(w, Config.Text));
        Part(folder, ModelFolder.Teacher, 3, ScalarType.Float32, w => _ = new Transformer(w, config.Model));
        if (config.Clip is { } clip)
            Part(folder, ModelFolder.Image, 4, ScalarType.Float32, w =>
            {
                _ = new ClipVision(w, clip);
                (w / "visual").Parameter("head", [clip.Dim, 6]);
            });
        File.WriteAllBytes(folder.TokenizerFile, tokenizer.Value);
    }

    public string Root { get; }

    public string this[params ReadOnlySpan<string> names] => Path.Combine([Root, .. names]);

    private static void Part(ModelFolder folder, string part, int seed, ScalarType dtype, Action<Weights> make)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var weights = Weights.Create(new Rng(seed));
        make(weights);
        using var g = new torch.Generator((ulong)seed);
        // nothing stays at zero
        foreach (var (_, t) in weights.All)
            t.copy_(t + torch.randn(t.shape, generator: g) * 0.1);
        folder.Save(part, weights, dtype);
    }

    /// <summary>Converts; returns the path written.</summary>
    public string Convert(
        string from,
        Layout to,
        string name,
        Func<ConversionRequest, ConversionRequest>? change = null
    )
    {
        var request = new ConversionRequest { To = to, Output = this[name] };
        using var opened = ModelFiles.Open(from);
        Assert.All(Conversion.Run(opened, change?.Invoke(request) ?? request), note =>
            Assert.Matches("^(student is not converted|image_encoder: holds CLIP's visual half only)", note)
        );
        return this[name];
    }

    /// <summary>
    /// A file of research code: generator and its average wrapped as trainers do, a critic that is something else.
    /// </summary>
    public string Research(string name = "research/model.pt")
    {
        using var own = ModelFiles.Open(this["own"]);
        var wan = own.Require(PartKind.Transformer).Tensors;
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        LazyTensor[] Wrapped(Func<string, string> rename, double times = 1) =>
            [.. wan.Select(t => t with { Name = rename(t.Name), Read = () => t.Read() * times })];
        TorchFileWriter.Write(
            this[name],
            null,
            ("generator", Wrapped(n => "model._fsdp_wrapped_module." + Checkpointed(n), 2)),
            ("generator_ema", Wrapped(n => "model." + n)),
            ("critic", Wrapped(n => "module.model." + n, 3))
        );
        Recipe.Write(this[Path.GetDirectoryName(name)!, ModelFiles.ConfigFile], Config, ModelJson.Default.ModelConfig);
        return this[name];
    }

    private static string Checkpointed(string name) =>
        name.Split('.', 3) is ["blocks", var i, var rest] ? $"blocks.{i}._checkpoint_wrapped_module.{rest}" : name;

    /// <summary>What the three models give for fixed inputs, loaded from a path.</summary>
    public static Tensor[] Outputs(string path, string? part = null)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var files = ModelFiles.Open(path);
        using var g = new torch.Generator((ulong)(9));
        var (x, text, video) = (
            torch.randn([1, 4, 2, 4, 4], generator: g),
            torch.randn([1, 5, 8], generator: g),
            torch.randn([1, 3, 3, 8, 8], generator: g)
        );
        var c = files.Config;
        var made = new List<Tensor>();
        using (var w = Weights.Load(files.Require(PartKind.Transformer, part).Source()))
            made.Add(new Transformer(w, c.Model, ScalarType.Float32).Forward(x, torch.full([1], 700), text));
        if (files.Part(PartKind.Vae) is { } vae)
            using (var w = Weights.Load(vae.Source()))
                made.Add(c.Model.Autoencoder(w).Encode(video));
        if (files.Part(PartKind.TextEncoder) is { } t5)
            using (var w = Weights.Load(t5.Source()))
                made.Add(new UmT5Encoder(w, c.Text).Forward(Tensor.From<long>([3, 4, 5, 1], 1, 4)));
        return [.. made.Select(t => t.MoveToOuterDisposeScope())];
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
