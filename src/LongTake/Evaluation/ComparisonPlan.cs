using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;

namespace LongTake.Evaluation;

/// <summary>The jobs of a table and which of them make each row.</summary>
public sealed class ComparisonPlan
{
    private readonly ComparisonTable table;
    private readonly string beside;
    private readonly double scale;
    private readonly Dictionary<string, Job> jobs = [];
    private readonly Dictionary<string, string> hashes = [];
    private readonly HashSet<string> encoded = [];

    /// <summary>
    /// A plan; recipes lie beside <paramref name="path"/>, steps of all stages are multiplied by <paramref
    /// name="scale"/>.
    /// </summary>
    public ComparisonPlan(ComparisonTable table, string path, double scale = 1)
    {
        (this.table, this.scale, beside) = (table, scale, Path.GetDirectoryName(Path.GetFullPath(path))!);
        // The judge: autoencoder, text encoder and teacher of the first row; one for all rows.
        Judge =
            table.From.Length > 0
                ? null
                : Chain(table.Rows[0], table.Rows[0].Seeds[0]).LastOrDefault(s => s.Stage.Method == Teacher.Entry.Name)
                    ?? throw new UserException(
                        $"{path}: the first row trains no teacher, and the table has no \"from\"; one of them gives "
                            + "the teacher that the videos are measured with",
                        usage: true
                    );
        Reference = Videos(null, 1, "reference", table.ReferenceTakes, table.Seconds);
        Real = Videos(null, 1, table.Set, table.Videos, table.Seconds);
        Rows =
        [
            .. table.Rows.Select(row =>
                (
                    row,
                    (IReadOnlyList<VideoJob>)
                        [
                            .. row.Seeds.Select(seed =>
                                Videos(
                                    row,
                                    seed,
                                    table.Set,
                                    table.Videos,
                                    row.Seconds > 0 ? row.Seconds : table.Seconds
                                )
                            ),
                        ]
                )
            ),
        ];
    }

    public StageJob? Judge { get; }

    /// <summary>Real takes: the units, and the row of the table.</summary>
    public VideoJob Reference { get; }
    public VideoJob Real { get; }
    public IReadOnlyList<(TableRow Row, IReadOnlyList<VideoJob> Seeds)> Rows { get; }
    public IReadOnlyCollection<Job> Jobs => jobs.Values;

    /// <summary>
    /// Stages that make what all rows are given: they have no seed of a row, and their cost is no row's.
    /// </summary>
    internal static bool IsGiven(StageConfig stage) =>
        stage.Method == Autoencoder.Entry.Name || stage.Method == Teacher.Entry.Name;

    /// <summary>The stages behind a job, first to last.</summary>
    public static IEnumerable<StageJob> Stages(StageJob? last) => last is null ? [] : [.. Stages(last.Before), last];

    private VideoJob Videos(TableRow? row, long seed, string set, int videos, double seconds)
    {
        var trained = row is null ? null : Chain(row, seed).LastOrDefault();
        var model = trained?.Model ?? (row?.Model.Length > 0 ? row.Model : table.From);
        var made = row is null
            ? "real"
            : Fingerprint.Text(row.Video, new(), ComparisonJson.Default.VideoSettings)
                + $"{(row.Lens ? "" : " no lens")} {trained?.Id ?? HashOf(model)}";
        var judge = Judge?.Model ?? table.From;
        var id = Fingerprint.Hash(
            $"video {VideoMeasure.Version} {set} {seconds:R} {made} judge {Judge?.Id ?? HashOf(judge)}"
        );
        var name = row?.Name ?? $"real takes ({set})";
        var calls = row is null ? 1 : Math.Max(4, row.Video.Steps ?? 0) * (row.Video.Guidance is null or 1 ? 1 : 2);
        return Add(
            new VideoJob(
                id,
                row is { Seeds.Count: > 1 } ? $"{name}, seed {seed}: videos" : $"{name}: videos",
                [.. new[] { trained, Judge }.OfType<Job>().Distinct()],
                row,
                seed,
                trained,
                model,
                judge,
                set,
                videos,
                seconds,
                Path.Combine(table.Out, "videos", $"{Fingerprint.Slug(name)}-{id}")
            )
            {
                Fixed = videos * (1 + calls * table.Cost.GetValueOrDefault("Video", .1)),
            }
        );
    }

    private List<StageJob> Chain(TableRow row, long seed)
    {
        var chain = new List<StageJob>();
        TrainRecipe? first = null;
        foreach (var part in row.Train)
        {
            var source = Path.Combine(beside, part.Recipe);
            var recipe = Recipe.Read(source, part.Sets, TrainJson.Recipe);
            first ??= recipe;
            foreach (var stage in Taken(row, part, recipe))
                Extend(recipe, stage);
        }
        return chain;

        void Extend(TrainRecipe recipe, StageConfig stage)
        {
            var given = IsGiven(stage);
            if (given && table.From.Length > 0)
                return;
            if (!given)
                stage = stage with { Loop = stage.Loop with { Seed = seed } };
            var before = chain.LastOrDefault();
            var data =
                recipe.Data.Length > 0
                    ? recipe.Data
                    : JsonSerializer.Serialize(
                        recipe.World,
                        TrainJson.Recipe.Options.GetTypeInfo(typeof(Data.WorldDataConfig))
                    );
            var begin = before?.Id
                ?? (
                    table.From.Length > 0
                        ? HashOf(table.From)
                        : Fingerprint.Text(first!.Model ?? new(), new(), ModelJson.Default.ModelConfig)
                );
            var id = Fingerprint.Hash($"{begin} {data} {Fingerprint.Settings(stage)}");
            var alone = recipe with
            {
                Out = Path.Combine(table.Out, "stages", $"{stage.Folder}-{id}"),
                From = before?.Model
                    ?? (table.From.Length > 0 ? Path.Combine(table.Out, $"given-{HashOf(table.From)}") : ""),
                Model = first!.Model,
                Device = table.Device,
                Threads = 1,
                Stages = [stage],
            };
            if (string.Join("; ", alone.Problems()) is { Length: > 0 } problems)
                throw new UserException($"rows, '{row.Name}', stage '{stage.Folder}': {problems}", usage: true);
            var folder = Path.Combine(table.Out, "data", Fingerprint.Hash(data));
            var encoding = Encoding(recipe, stage, chain, folder, id);
            chain.Add(
                Add(
                    new StageJob(
                        id,
                        given || row.Seeds.Count == 1
                            ? $"{row.Name}: {stage.Folder}"
                            : $"{row.Name}, seed {seed}: {stage.Folder}",
                        before,
                        alone,
                        folder
                    )
                    {
                        Fixed = encoding,
                        Steps = stage.Loop.Steps * table.Cost.GetValueOrDefault(stage.Method, 1),
                    }
                )
            );
        }
    }

    // The first stage after an autoencoder renders and encodes the world, for all that train on its latents.
    private double Encoding(TrainRecipe recipe, StageConfig stage, List<StageJob> chain, string folder, string id)
    {
        if (stage.Method == Autoencoder.Entry.Name || recipe.Data.Length > 0 || jobs.ContainsKey(id))
            return jobs.TryGetValue(id, out var there) ? there.Fixed : 0;
        var by = chain.LastOrDefault(s => s.Stage.Method == Autoencoder.Entry.Name)?.Id ?? "given";
        if (!encoded.Add($"{folder} {by}"))
            return 0;
        var (c, world) = (chain.Count > 0 ? chain[0].Recipe.Model ?? new() : recipe.Model ?? new(), recipe.World);
        var frames =
            (world.Clips + world.HeldOutClips) * c.Frames(c.ClipLatents)
            + (world.Takes + world.HeldOutTakes) * c.Frames(c.VideoLatents);
        return frames * table.Cost.GetValueOrDefault("Frame", .0002);
    }

    private List<StageConfig> Taken(TableRow row, TrainPart part, TrainRecipe recipe)
    {
        var folders = recipe.Stages.Select(s => s.Folder).ToList();
        int Find(string name, int otherwise) =>
            name.Length == 0 ? otherwise
            : folders.IndexOf(name) is >= 0 and var i ? i
            : throw new UserException(
                $"rows, '{row.Name}': {part.Recipe} has no stage '{name}'; it has {string.Join(", ", folders)}",
                usage: true
            );
        foreach (var name in part.With.Keys)
            Find(name, 0);
        var (from, to) = (Find(part.First, 0), Find(part.Last, folders.Count - 1));
        return
        [
            .. recipe
                .Stages.Skip(from)
                .Take(to - from + 1)
                .Select(s => Changed(s, part.With.GetValueOrDefault(s.Folder), $"rows, '{row.Name}', with.{s.Folder}")),
        ];
    }

    private StageConfig Changed(StageConfig stage, JsonObject? with, string source)
    {
        var node = (JsonObject)Fingerprint.Node(stage, Fingerprint.Stages);
        if (with is not null)
        {
            RecipeCheck.Members(with, Fingerprint.Stages, source);
            Recipe.Merge(node, with);
        }
        if (scale != 1)
            Scale(node);
        return node.Deserialize(Fingerprint.Stages)!;
    }

    // Everything counted in steps shrinks with the run: a warm-up longer than the run would train nothing.
    private void Scale(JsonObject node)
    {
        foreach (var (name, value) in node.ToList())
            if (value is JsonObject inner)
                Scale(inner);
            else if (name is "steps" && node.ContainsKey("checkpointEvery"))
                node[name] = Math.Max(2, (long)Math.Round(value!.GetValue<long>() * scale));
            // of the ODE: a stage's own making of data
            else if (name is "pairs")
                node[name] = Math.Max(16, (long)Math.Round(value!.GetValue<long>() * scale));
            else if (name is "warmUp" or "criticFirst" && value!.GetValueKind() == JsonValueKind.Number)
                node[name] = (long)Math.Floor(value.GetValue<long>() * scale);
    }

    private T Add<T>(T job)
        where T : Job
    {
        if (jobs.TryGetValue(job.Id, out var there))
            return (T)there;
        jobs.Add(job.Id, job);
        return job;
    }

    // Of the weights and of the settings: the list of timesteps is one of them.
    private string HashOf(string folder)
    {
        if (hashes.TryGetValue(folder, out var there))
            return there;
        var model = ModelFolder.Open(folder);
        string[] parts =
        [
            ModelFolder.Vae,
            ModelFolder.Text,
            ModelFolder.Teacher,
            ModelFolder.Transformer,
            ModelFolder.Student,
            ModelFolder.Generator,
        ];
        return hashes[folder] = Fingerprint.Hash(
            string.Concat(parts.Where(model.Has).Select(model.Hash))
                + Fingerprint.Text(model.Config, new(), ModelJson.Default.ModelConfig)
        );
    }
}
