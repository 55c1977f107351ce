using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests;

/// <summary>
/// A model folder and a set of short takes in a temporary folder: all parts there, all weights random, milliseconds to
/// run.
/// </summary>
public sealed class TinyModel : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("longtake-").FullName;

    public TinyModel()
        : this(c => c) { }

    private TinyModel(Func<ModelConfig, ModelConfig> change)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        LatentItem[] items =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(i => new LatentItem($"take-{i}", "take", 7, $"a traveller number {i}")
                {
                    Locals = [.. Enumerable.Range(0, 7).Select(k => $"place {k % 3}")],
                    HeldOut = i == 2,
                }),
        ];
        File.WriteAllLines(
            Path.Combine(root, "captions.txt"),
            items.SelectMany(i => i.Locals.Append(i.Caption)).Distinct()
        );
        var pieces = LongTake.Models.Text.WordVocabulary.Train(File.ReadLines(Path.Combine(root, "captions.txt")), 64);
        pieces.Save(Path.Combine(root, "tokens.model"));
        var config = new ModelConfig
        {
            Width = 16,
            Height = 16,
            ClipLatents = 3,
            VideoLatents = 7,
            FewSteps = [1000, 500],
            HeadBlocks = 1,
            CausalBlock = 1,
            Vae = new()
            {
                Dim = 4,
                ZDim = 4,
                DimMult = [1, 1, 1],
                ResBlocks = 1,
                TemporalDownsample = [true, true],
                Mean = [],
                Std = [],
            },
            Text = new(pieces.Count, 8, 8, 16, 2, 1),
            Wan = new()
            {
                TextLength = 32,
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
        config = change(config);
        Folder = ModelFolder.Create(Path.Combine(root, "model"), config);
        File.Copy(Path.Combine(root, "tokens.model"), Folder.TokenizerFile);
        Part(ModelFolder.Vae, 1, w => _ = config.Model.Autoencoder(w));
        Part(ModelFolder.Text, 2, w => _ = new UmT5Encoder(w, config.Text));
        Part(ModelFolder.Teacher, 3, w => _ = new Transformer(w, config.Model));
        LatentSet.Write(
            Path.Combine(root, "set"),
            new LatentSetInfo("", 8, 16, 16, "test", items),
            items.ToDictionary(i => i.Name, i => Random(i.Name[^1], [config.Geometry.Channels, 7, 4, 4]) + 3)
        );
        Data = LatentSet.Open(Path.Combine(root, "set"));
    }

    /// <summary>A tiny model of another configuration.</summary>
    public static TinyModel Of(Func<ModelConfig, ModelConfig> change) => new(change);

    public ModelFolder Folder { get; }

    /// <summary>Two takes of 7 latents (and one held out), all around 3.</summary>
    public LatentSet Data { get; }

    /// <summary>What a recipe's stage would give a method to be built from.</summary>
    public LongTake.Methods.Stage Stage(torch.Device? device = null, bool recompute = false, LatentSet? data = null) =>
        new()
        {
            Device = device ?? torch.CPU,
            From = recompute ? Folder.Recomputing() : Folder,
            Config = Folder.Config,
            Optimiser = new(),
            Data = data ?? Data,
            Init = new Rng(1),
            Run = root,
            Tokenizer = () => Folder.TokenizerFile,
            Video = (random, frames) =>
            {
                var bytes = new byte[frames * 16 * 16 * 3];
                for (var i = 0; i < bytes.Length; i++)
                    bytes[i] = (byte)random.Int(256);
                return bytes;
            },
        };

    /// <summary>The teacher's weights with noise on them, the output head included (it starts at zero).</summary>
    public Weights Teacher(int seed, double std) =>
        Noisy(
            (source, type, device, random) => Weights.Load(source, type, device, random),
            w => _ = new Transformer(w, Folder.Config.Model),
            seed,
            std
        );

    /// <summary>
    /// A student made of the teacher, with noise of its own in every weight, so that the heads differ.
    /// </summary>
    public Weights Student(int seed, double std = 0.05) =>
        Noisy(
            (source, dtype, device, random) =>
                Weights.Load(
                    DecoupledTransformer.FromTransformer(source, Folder.Config.Model.Blocks, 1),
                    dtype,
                    device,
                    random
                ),
            w => _ = new DecoupledTransformer(w, Folder.Config.Model, 1),
            seed,
            std
        );

    private Weights Noisy(
        Func<Func<string, Tensor?>, ScalarType, torch.Device?, Rng?, Weights> load,
        Action<Weights> make,
        int seed,
        double std
    )
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var file = Folder.OpenPart(ModelFolder.Teacher);
        var weights = load(file.Source(), ScalarType.Float32, "cpu", null);
        make(weights);
        foreach (var (_, t) in weights.All)
            t.add_(Random(seed++, t.shape), std);
        return weights;
    }

    private void Part(string part, int seed, Action<Weights> make)
    {
        using var weights = Weights.Create(new Rng(seed));
        make(weights);
        foreach (var (name, t) in weights.All)
            // zero at the start
            if (name.StartsWith("head.head", StringComparison.Ordinal))
                t.copy_(Random(seed, t.shape) * 0.1);
        Folder.Save(part, weights);
    }

    private static Tensor Random(int seed, long[] shape)
    {
        using var g = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: g);
    }

    public void Dispose()
    {
        Data.Dispose();
        Directory.Delete(root, recursive: true);
    }
}
