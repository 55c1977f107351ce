using LongTake.Data;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Training;

/// <summary>Runs the stages of a recipe; a finished stage is passed over, an unfinished one goes on.</summary>
public sealed class Trainer(TrainRecipe recipe, Func<StageConfig, IProgress<ProgressReport>?> progress, CancellationToken cancel)
{
    /// <summary>Called with a stage and its model so far, every <see cref="LoopConfig.SampleEvery"/> steps.</summary>
    public Action<StageConfig, long, ModelFolder>? Sample { get; init; }

    /// <summary>Trains every stage and returns the last one's model.</summary>
    public ModelFolder Run()
    {
        if (string.Join("; ", recipe.Problems()) is { Length: > 0 } problems) throw new UserException($"recipe: {problems}", usage: true);
        if (recipe.Threads > 0) Libtorch.Threads = recipe.Threads;
        var model = recipe.From.Length > 0 ? ModelFolder.Open(recipe.From) : null;
        if (recipe.Data.Length > 0)
            VideoSet.Require(recipe.Data, model?.Config ?? recipe.Model, recipe.Stages.Any(s => s.Method is StageKind.LongSft or StageKind.Mmm));
        Directory.CreateDirectory(recipe.Out);
        Recipe.Write(Path.Combine(recipe.Out, "config.json"), recipe, TrainJson.Default.TrainRecipe);
        foreach (var stage in recipe.Stages)
        {
            var run = new RunFolder(Path.Combine(recipe.Out, stage.Folder));
            var target = Path.Combine(run.Root, "model");
            if (!File.Exists(Path.Combine(run.Root, "done"))) Stage(stage, run, model, target);
            model = ModelFolder.Open(target);
        }
        return model!;
    }

    private void Stage(StageConfig stage, RunFolder run, ModelFolder? from, string target)
    {
        using var scope = new Scope();
        using var data = stage.Method == StageKind.Autoencoder ? null : Latents(stage, Needed(stage, from));
        using var method = Build(stage, from, data);
        Loop.Run(method, stage.Loop, run, progress(stage), average =>
        {
            method.Export(target, average);
            AtomicFile.Write(Path.Combine(run.Root, "done"), s => s.Write("done\n"u8));
        }, Sample is null ? null : (step, average) =>
        {
            var folder = Path.Combine(run.Root, "samples", $"step-{step:D8}");
            method.Export(folder, average);
            Sample(stage, step, ModelFolder.Open(folder));
        }, cancel);
    }

    private static ModelFolder Needed(StageConfig stage, ModelFolder? from) => from ??
        throw new UserException($"stage '{stage.Folder}' needs a model to start from: set \"from\", or put an Autoencoder stage before it", usage: true);

    private LatentSet Latents(StageConfig stage, ModelFolder model)
    {
        var folder = Path.Combine(recipe.Out, "latents-" + model.Hash(ModelFolder.Vae));
        if (recipe.Data.Length == 0)
            return Encoding.Run(model, $"world {recipe.World}",
                [.. WorldData.Items(recipe.World, model.Config.Fps, model.Config.ClipLatents, model.Config.FilmLatents)], folder, progress(stage), cancel);
        return VideoSet.Latents(recipe.Data, model, folder, progress(stage), cancel);
    }

    private Method Build(StageConfig stage, ModelFolder? from, LatentSet? data)
    {
        var init = new Rng(stage.Loop.Seed, 77);
        switch (stage.Method)
        {
            case StageKind.Autoencoder:
                {
                    var model = from?.Config ?? recipe.Model;
                    var draw = recipe.Data.Length == 0 ? (Rng r, int f) => WorldData.Stretch(r, f, model.Fps) : VideoSet.Stretches(recipe.Data, model);
                    return Autoencoder.Build(model, stage.Autoencoder, stage.Optimiser, Start(from, ModelFolder.Vae, init), from is null, new(draw),
                        (folder, weights, measured) => ModelFolder.Create(folder, measured, from, ModelFolder.Vae).Save(ModelFolder.Vae, weights));
                }
            case StageKind.Teacher:
                {
                    var tokenizer = Tokens(from!, data!);
                    using var pieces = new SentencePiece(tokenizer);
                    var model = from!.Config with { Text = from.Config.Text with { Vocab = pieces.Count } };
                    return FlowMatching.Teacher(model, stage.FlowMatching, stage.Optimiser, data!,
                        Start(from, ModelFolder.Teacher, init), Start(from, ModelFolder.Text, init), tokenizer, (folder, networks) =>
                        {
                            var made = ModelFolder.Create(folder, model, from, ModelFolder.Teacher, ModelFolder.Text, ModelFolder.Transformer, ModelFolder.Student);
                            File.Copy(tokenizer, made.TokenizerFile, overwrite: true);
                            made.Save(ModelFolder.Teacher, networks["wan"]);
                            made.Save(ModelFolder.Text, networks["text"]);
                        });
                }
            case StageKind.LongSft:
                return FlowMatching.Long(from!, stage.FlowMatching, stage.Optimiser, data!,
                    Start(from, from!.Has(ModelFolder.Transformer) ? ModelFolder.Transformer : ModelFolder.Teacher, init),
                    (folder, networks) => ModelFolder.Create(folder, from.Config, from, ModelFolder.Transformer, ModelFolder.Student)
                        .Save(ModelFolder.Transformer, networks["wan"]));
            default:
                return Mmm.Build(from!, stage.Mmm, stage.Optimiser, data!, Student(from!), Start(from, ModelFolder.Teacher, init),
                    (folder, networks) => ModelFolder.Create(folder, from!.Config, from, ModelFolder.Student, ModelFolder.Transformer)
                        .Save(ModelFolder.Student, networks["student"]));
        }
    }

    /// <summary>Float32 weights of a part to train on, or new ones where the model has none.</summary>
    private static Weights Start(ModelFolder? from, string part, Rng random)
    {
        if (from is null || !from.Has(part)) return Weights.Create(random);
        using var file = from.OpenPart(part);
        return Filled(file.Source(), file.Names, random, file);
    }

    /// <summary>The student: its own file, else both heads from the long transformer, else from the teacher (method option A).</summary>
    private static Weights Student(ModelFolder from)
    {
        if (from.Has(ModelFolder.Student))
        {
            using var own = from.OpenPart(ModelFolder.Student);
            return Filled(own.Source(), own.Names, null, own);
        }
        using var file = from.OpenPart(from.Has(ModelFolder.Transformer) ? ModelFolder.Transformer : ModelFolder.Teacher);
        var source = DecoupledTransformer.FromWan(file.Source(), from.Config.Wan.Layers, from.Config.HeadBlocks);
        var weights = Weights.Load(source);
        _ = new DecoupledTransformer(weights, from.Config.Wan, from.Config.HeadBlocks);
        return weights;
    }

    /// <summary>Reads every tensor of a file now, so that the file can be closed; names the file lacks are drawn later.</summary>
    private static Weights Filled(Func<string, Tensor?> source, IReadOnlyList<string> names, Rng? random, SafetensorsSet file)
    {
        var weights = Weights.Load(source, random: random);
        foreach (var name in names) weights.Parameter(name, file.Entry(name).Shape);
        return weights;
    }

    /// <summary>The model's tokenizer, or a new one of the captions of the data.</summary>
    private string Tokens(ModelFolder from, LatentSet data)
    {
        if (from.HasTokenizer) return from.TokenizerFile;
        var folder = Path.Combine(recipe.Out, "tokenizer");
        var model = Path.Combine(folder, "captions.model");
        if (File.Exists(model)) return model;
        Directory.CreateDirectory(folder);
        var corpus = Path.Combine(folder, "captions.txt");
        var captions = data.Info.Items.SelectMany(i => i.Locals.Append(i.Caption)).Concat(recipe.Data.Length == 0 ? WorldData.AllCaptions : []);
        File.WriteAllLines(corpus, captions.Distinct().Order(StringComparer.Ordinal));
        var unfinished = Path.Combine(folder, "unfinished");   // a run killed while it trains must not leave half a tokenizer
        SentencePiece.Train(corpus, 128, unfinished);
        File.Move(unfinished + ".model", model);
        return model;
    }
}
