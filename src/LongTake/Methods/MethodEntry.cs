using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Methods;

/// <summary>
/// A method as recipes know it: a stage with <c>"method": "LongSft"</c> is built by the entry of that name out of the
/// settings under <see cref="Member"/>. <see cref="Presets.Methods"/> lists them all.
/// </summary>
public sealed record MethodEntry
{
    /// <summary>An entry whose settings are a record with defaults for all of its members.</summary>
    public static MethodEntry Of<T>(
        string name,
        Func<Stage, T, Method> build,
        Func<T, IEnumerable<string>>? problems = null
    )
        where T : class, new() =>
        new()
        {
            Name = name,
            Settings = typeof(T),
            Fresh = () => new T(),
            Build = (stage, settings) => build(stage, (T)settings),
            Problems = settings => problems?.Invoke((T)settings) ?? [],
        };

    public required string Name { get; init; }

    /// <summary>Type of the settings.</summary>
    public required Type Settings { get; init; }

    /// <summary>The settings' defaults.</summary>
    public required Func<object> Fresh { get; init; }
    public required Func<Stage, object, Method> Build { get; init; }

    /// <summary>What is wrong with settings, each sentence beginning with the member.</summary>
    public required Func<object, IEnumerable<string>> Problems { get; init; }

    /// <summary>Starts from no model and needs no latents: the autoencoder.</summary>
    public bool FromNothing { get; init; }

    /// <summary>Needs long takes.</summary>
    public bool Takes { get; init; }

    /// <summary>The member of a stage that holds the settings: "mmm" for MmmConfig. Methods may share one.</summary>
    public string Member => MemberOf(Settings);

    internal static string MemberOf(Type settings) =>
        System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(settings.Name.Replace("Config", ""));
}

/// <summary>What a stage of a recipe gives a method to be built from.</summary>
public sealed class Stage
{
    /// <summary>The model of the stage before; null when a run starts from nothing.</summary>
    public ModelFolder? From { get; init; }

    /// <summary>The sizes: those of <see cref="From"/>, else of the new model.</summary>
    public required ModelConfig Config { get; init; }
    public required OptimiserConfig Optimiser { get; init; }

    /// <summary>Encoded videos; null for methods that begin with nothing.</summary>
    public LatentSet? Data { get; init; }

    /// <summary>
    /// Where everything is computed: weights, moments and batches are there. What is random is drawn on the CPU and
    /// moved.
    /// </summary>
    public torch.Device Device { get; init; } = torch.CPU;

    /// <summary>What new weights are drawn from.</summary>
    public required Rng Init { get; init; }

    /// <summary>Draws frames [F, H, W, 3] of training video.</summary>
    public required Func<Rng, int, byte[]> Video { get; init; }

    /// <summary>The file of the tokenizer, made of the data's captions when the model has none.</summary>
    public required Func<string> Tokenizer { get; init; }

    /// <summary>Folder of the run, for what is computed once and kept.</summary>
    public required string Run { get; init; }
    public IProgress<ProgressReport>? Progress { get; init; }
    public CancellationToken Cancel { get; init; }

    /// <summary>The model to start from.</summary>
    public ModelFolder Model => From ?? throw new InvalidOperationException("this method begins with a model");

    /// <summary>The data set.</summary>
    public LatentSet Latents => Data ?? throw new InvalidOperationException("this method has no data");

    /// <summary>The data set, when it has takes to train on.</summary>
    /// <exception cref="UserException">It has none.</exception>
    public LatentSet Takes =>
        Latents.Takes.Count > 0
            ? Latents
            : throw new UserException(
                $"{Latents.Folder}: no takes to train on; a take is a single shot of at least 10 s"
            );

    /// <summary>
    /// Float32 weights to train on: of the first of these parts that the model has, or new ones where it has none.
    /// </summary>
    public Weights Start(params ReadOnlySpan<string> parts)
    {
        foreach (var part in parts)
            if (From is not null && From.Has(part))
                return StartOf(From, part);
        return Weights.Create(Init, device: Device);
    }

    /// <summary>Float32 weights to train on: this part of a model, all of it.</summary>
    public Weights StartOf(ModelFolder model, string part)
    {
        using var file = model.OpenPart(part);
        return WholeFile.Load(file, Network(model.Config, part), Device);
    }

    /// <summary>
    /// The student: its own file, else both heads from the long transformer, else from the teacher (method option A).
    /// </summary>
    public Weights Student()
    {
        if (Model.Has(ModelFolder.Student))
            return StartOf(Model, ModelFolder.Student);
        var part = Model.Has(ModelFolder.Transformer) ? ModelFolder.Transformer : ModelFolder.Teacher;
        using var file = Model.OpenPart(part);
        WholeFile.Check(file, Network(Model.Config, part));
        var weights = Weights.Load(
            DecoupledTransformer.FromTransformer(file.Source(), Config.Model.Blocks, Config.HeadBlocks),
            device: Device
        );
        Network(Config, ModelFolder.Student)(weights);
        return weights;
    }

    private static Action<Weights> Network(ModelConfig c, string part) =>
        part switch
        {
            ModelFolder.Vae => w => _ = c.Model.Autoencoder(w, ScalarType.BFloat16),
            ModelFolder.Text => w => _ = new UmT5Encoder(w, c.Text),
            ModelFolder.Student => w => _ = new DecoupledTransformer(w, c.Model, c.HeadBlocks),
            _ => w => _ = new Transformer(w, c.Model),
        };

    /// <summary>
    /// Writes what was trained as a model: with the autoencoder, text encoder and teacher of the model it started from.
    /// What else that made videos with is left behind.
    /// </summary>
    public void Save(string folder, string part, Weights weights) =>
        ModelFolder
            .Create(folder, Config, From, ModelFolder.Transformer, ModelFolder.Student, ModelFolder.Generator)
            .Save(part, weights);
}
