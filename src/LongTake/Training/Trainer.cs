using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Training;

/// <summary>Runs the stages of a recipe; a finished stage is passed over, an unfinished one goes on.</summary>
public sealed class Trainer(
    TrainRecipe recipe,
    Func<StageConfig, IProgress<ProgressReport>?> progress,
    CancellationToken cancel
)
{
    /// <summary>Called with a stage and its model so far, every <see cref="LoopConfig.SampleEvery"/> steps.</summary>
    public Action<StageConfig, long, ModelFolder>? Sample { get; init; }

    /// <summary>The methods that stages can name.</summary>
    public IReadOnlyList<MethodEntry> Methods { get; init; } = Presets.Methods;

    /// <summary>
    /// Where encoded videos are kept; the run folder when empty. Runs that share it wait for one another.
    /// </summary>
    public string Latents { get; init; } = "";

    /// <summary>Told sentences that a person should read: what changed, what was passed over.</summary>
    public Action<string>? Say { get; init; }

    private torch.Device device = torch.CPU;

    /// <summary>Trains every stage and returns the last one's model.</summary>
    public ModelFolder Run()
    {
        if (string.Join("; ", recipe.Problems(Methods)) is { Length: > 0 } problems)
            throw new UserException($"recipe: {problems}", usage: true);
        device = ComputeDevice.Choose(recipe.Device); // before anything is written
        if (recipe.Threads > 0)
            Libtorch.Threads = recipe.Threads;
        using var start = recipe.From.Length > 0 ? StartModel.Open(recipe.From, recipe.Model) : null;
        if (recipe.Data.Length > 0)
            VideoSet.Require(
                recipe.Data,
                start?.Config ?? recipe.Model ?? new(),
                recipe.Stages.Any(s => Entry(s).Takes)
            );
        OutputPlace.RequireFolder(recipe.Out);
        using var alone = new RunFolder(recipe.Out).Lock();
        var records = new StageRecords(recipe, start?.Config, TrainJson.With(Methods));
        var begun = records.Check(0, []);
        Recipe.Write(Path.Combine(recipe.Out, "config.json"), recipe, TrainJson.With(Methods));
        var model = start?.Folder(Path.Combine(recipe.Out, "start"));
        if (start is { Own: false })
            RunFolder.Keep(model!.Path, Path.Combine(recipe.Out, "start.json"));
        foreach (var (i, stage) in recipe.Stages.Index())
        {
            if (i == begun.Count)
                begun = records.Check(i, begun);
            var (run, record) = (new RunFolder(Path.Combine(recipe.Out, stage.Folder)), begun[i]);
            if (!run.Finished)
                Stage(stage, run, model, record);
            model = ModelFolder.Open(run.Model);
        }
        return model!;
    }

    private MethodEntry Entry(StageConfig stage) => Methods.First(m => m.Name == stage.Method);

    private void Stage(StageConfig stage, RunFolder run, ModelFolder? from, StageRecord record)
    {
        using var scope = torch.NewDisposeScope();
        using var data = Entry(stage).FromNothing ? null : Encoded(stage, Needed(stage, from));
        if (stage.Loop.Recompute)
            from = from?.Recomputing();
        if (data is not null && from is not null && from.Has(ModelFolder.Text))
            Texts(stage, from, data);
        using var method = Build(stage, from, data);
        Loop.Run(
            method,
            stage.Loop,
            run,
            progress(stage),
            average =>
            {
                method.Export(run.Model, average);
                run.Finish(stage.Loop.Steps);
            },
            Sample is null
                ? null
                : (step, average) =>
                {
                    var folder = Path.Combine(run.Root, "samples", $"step-{step:D8}");
                    method.Export(folder, average);
                    Sample(stage, step, ModelFolder.Open(folder));
                },
            cancel,
            Say,
            record.Begin
        );
    }

    private static ModelFolder Needed(StageConfig stage, ModelFolder? from) =>
        from
        ?? throw new UserException(
            $"stage '{stage.Folder}' needs a model to start from: set \"from\", or put an Autoencoder stage before it",
            usage: true
        );

    private LatentSet Encoded(StageConfig stage, ModelFolder model)
    {
        using var turn = Latents.Length > 0 ? FileLock.Take(Path.Combine(Latents, "lock"), cancel) : null;
        var folder = Path.Combine(Latents.Length > 0 ? Latents : recipe.Out, "latents-" + model.Hash(ModelFolder.Vae));
        if (recipe.Data.Length == 0)
            return WorldEncoder.Run(
                model,
                $"world {recipe.World}",
                [.. WorldData.Items(model.Config, recipe.World)],
                folder,
                progress(stage),
                cancel,
                device
            );
        return VideoSet.Latents(recipe.Data, model, folder, progress(stage), cancel, device);
    }

    /// <summary>
    /// A text encoder too large to stay in memory reads all captions of the data before anything else is loaded.
    /// </summary>
    private void Texts(StageConfig stage, ModelFolder model, LatentSet data)
    {
        using var scope = torch.NewDisposeScope();
        var (text, weights) = model.LoadText(device);
        using (weights)
            text.Prepare(
                [.. FlowMatching.Captions(data), "", model.Config.NegativePrompt],
                (done, all) => progress(stage)?.Report(new ProgressReport(done, all, "captions", "encoding")),
                cancel
            );
    }

    private Method Build(StageConfig stage, ModelFolder? from, LatentSet? data)
    {
        var model = from?.Config ?? recipe.Model ?? new();
        var video = new Lazy<Func<Rng, int, byte[]>>(() =>
            recipe.Data.Length == 0
                ? (r, f) => WorldData.Stretch(model, recipe.World, r, f)
                : VideoSet.Stretches(recipe.Data, model)
        );
        return Entry(stage)
            .Build(
                new Stage
                {
                    From = from,
                    Config = model,
                    Optimiser = stage.Optimiser,
                    Data = data,
                    Device = device,
                    Init = new Rng(stage.Loop.Seed, 77),
                    Run = recipe.Out,
                    Video = (random, frames) => video.Value(random, frames),
                    Tokenizer = () => Tokens(from!, data!),
                    Progress = progress(stage),
                    Cancel = cancel,
                },
                stage.Settings(Entry(stage))
            );
    }

    /// <summary>The model's tokenizer, or a new one of the captions of the data.</summary>
    private string Tokens(ModelFolder from, LatentSet data)
    {
        if (from.HasTokenizer)
            return from.TokenizerFile;
        var folder = Path.Combine(recipe.Out, "tokenizer");
        var (model, unfinished) = (Path.Combine(folder, "captions.model"), Path.Combine(folder, "unfinished"));
        Directory.CreateDirectory(folder);
        var captions = data
            .Info.Items.SelectMany(i => i.Locals.Append(i.Caption))
            .Concat(recipe.Data.Length == 0 ? WorldData.Captions(from.Config) : []);
        // Made each time, in no time: so it is never half a tokenizer, nor a damaged one.
        WordVocabulary.Train(captions.Distinct().Order(StringComparer.Ordinal), 512).Save(unfinished);
        File.Move(unfinished, model, overwrite: true);
        return model;
    }
}
