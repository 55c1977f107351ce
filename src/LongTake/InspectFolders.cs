using System.Text.Json.Nodes;
using LongTake.Checkpoints;
using LongTake.Data;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Training;
using LongTake.Video;

namespace LongTake;

/// <summary>The kinds that are more than one file of weights.</summary>
internal static class InspectFolders
{
    public static Inspection Model(string path, CancellationToken cancel)
    {
        var model = ModelFolder.Open(path);
        var c = model.Config;
        var problems = new List<string>(c.Problems());
        var parts = new JsonObject();
        string[] all =
        [
            ModelFolder.Vae,
            ModelFolder.Text,
            ModelFolder.Teacher,
            ModelFolder.Transformer,
            ModelFolder.Student,
            ModelFolder.Generator,
            .. c.Wan.ClipDim > 0 ? [ModelFolder.Image] : Array.Empty<string>(),
        ];
        try
        {
            using var found = ModelFiles.Open(path);
            found.Cancel = cancel;
            foreach (var part in found.Parts)
            {
                parts[part.Name] = InspectWeights.Brief(part);
                problems.AddRange(found.Problems(part));
            }
        }
        catch (UserException e)
        {
            problems.Add(e.Message);
        }
        // Any of the three transformers makes videos; which of them are there is what a stage of training leaves.
        if (
            !model.Has(ModelFolder.Student)
            && !model.Has(ModelFolder.Generator)
            && !model.Has(ModelFolder.Transformer)
            && !model.Has(ModelFolder.Teacher)
        )
            problems.Add("no teacher, transformer or student: nothing here can make a video");
        foreach (var needed in (string[])[ModelFolder.Vae, ModelFolder.Text])
            if (!model.Has(needed))
                problems.Add($"no {needed}.safetensors, which every video needs");
        if (!model.HasTokenizer)
            problems.Add("no tokenizer.model: prompts cannot be read");
        return new(
            path,
            "model",
            new JsonObject
            {
                ["name"] = c.Name,
                ["picture"] = $"{c.Width}x{c.Height} at {c.Fps:0.###} frames a second",
                ["longest video"] =
                    $"{c.Frames(c.VideoLatents) / c.Fps:0.#} s ({c.VideoLatents} latents), clips of "
                    + $"{c.ClipLatents} latents",
                ["few steps"] = new JsonArray([.. c.FewSteps.Select(s => JsonValue.Create(s))]),
                ["shift"] = c.Shift,
                ["transformer"] =
                    $"{c.Model.Blocks} blocks of width {c.Wan.Dim}, {c.Wan.Heads} heads; "
                    + $"heads of {c.HeadBlocks} blocks",
                ["parts"] = parts,
                ["absent"] = new JsonArray([.. all.Where(p => !model.Has(p)).Select(p => JsonValue.Create(p))]),
            },
            [.. problems.Distinct()]
        );
    }

    public static Inspection Recipe(string path)
    {
        var recipe = LongTake.Recipe.Read(path, [], TrainJson.Recipe);
        return new(
            path,
            "recipe",
            new JsonObject
            {
                ["about"] = recipe.About,
                ["run folder"] = recipe.Out,
                ["starts from"] = recipe.From.Length > 0 ? recipe.From : "nothing",
                ["data"] =
                    recipe.Data.Length > 0
                        ? recipe.Data
                        : $"the procedural world, {recipe.World.Takes} takes and {recipe.World.Clips} clips",
                ["stages"] = new JsonArray([
                    .. recipe.Stages.Select(s => JsonValue.Create($"{s.Folder} ({s.Loop.Steps} steps)")),
                ]),
            },
            [.. recipe.Problems()]
        );
    }

    public static Inspection Run(string path)
    {
        var (facts, problems) = (new JsonObject(), new List<string>());
        var recipe = LongTake.Recipe.Read(Path.Combine(path, "config.json"), [], TrainJson.Recipe);
        facts["about"] = recipe.About;
        foreach (var stage in recipe.Stages)
        {
            var folder = Path.Combine(path, stage.Folder);
            facts[stage.Folder] = Directory.Exists(folder)
                ? Steps(folder, stage.Loop.Steps, problems)
                : new JsonObject { ["state"] = "not begun" };
        }
        return new(path, "run", facts, problems);
    }

    public static Inspection Stage(string path)
    {
        var problems = new List<string>();
        return new(path, "run (one stage)", Steps(path, 0, problems), problems);
    }

    private static JsonObject Steps(string path, long of, List<string> problems)
    {
        var run = new RunFolder(path);
        var last = new OrderedDictionary<string, double>();
        LogLine? end = null;
        if (File.Exists(run.Log))
            foreach (var line in TrainingLog.Read(run.Log))
            {
                end = line;
                foreach (var (name, value) in line.Scalars)
                    last[name] = value;
            }
        var checkpoints = run.All.ToList();
        problems.AddRange(checkpoints.Where(c => c.Fault is not null).Select(c => $"{c.Checkpoint.Folder}: {c.Fault}"));
        return new JsonObject
        {
            ["state"] = File.Exists(Path.Combine(path, "done")) ? "done" : "unfinished",
            ["steps"] = of > 0 ? $"{end?.Step ?? 0} of {of}" : $"{end?.Step ?? 0}",
            ["samples"] = end?.Samples ?? 0,
            ["seconds"] = end?.Seconds ?? 0,
            ["last figures"] = new JsonObject(
                last.Select(p =>
                    KeyValuePair.Create(
                        p.Key,
                        (JsonNode?)(double.IsFinite(p.Value) ? Math.Round(p.Value, 5) : $"{p.Value}")
                    )
                )
            ),
            ["checkpoints"] = new JsonArray([
                .. checkpoints.Where(c => c.Fault is null).Select(c => JsonValue.Create(c.Checkpoint.Step)),
            ]),
            ["model"] = File.Exists(Path.Combine(path, "model", "config.json")) ? Path.Combine(path, "model") : null,
        };
    }

    public static Inspection Videos(string path)
    {
        var set = VideoSet.Read(path);
        var latents = Directory
            .GetDirectories(path, "latents-*")
            .Where(LatentSet.Exists)
            .Select(f => Path.GetFileName(f)!)
            .Order(StringComparer.Ordinal)
            .ToList();
        return new(
            path,
            "data",
            new JsonObject
            {
                ["holds"] = "videos",
                ["picture"] =
                    string.Join(
                        ", ",
                        set.Videos.Select(v => $"{v.Width}x{v.Height}").Distinct().Order(StringComparer.Ordinal)
                    )
                    + " "
                    + $"at {set.Fps:0.###} frames a second",
                ["roles"] = Roles(set.Items.Select(i => (i.Item, i.Frames / set.Fps))),
                ["videos"] = set.Videos.Select(v => v.Path).Distinct().Count(),
                ["minutes"] = Math.Round(set.Videos.Sum(v => v.Frames) / set.Fps / 60, 2),
                ["captions"] = set.Items.Select(i => i.Item.Caption).Distinct().Count(),
                ["encoded"] = new JsonArray([.. latents.Select(l => JsonValue.Create(l))]),
            },
            [
                .. set
                    .Videos.Select(v => v.Path)
                    .Distinct()
                    .Where(p => !File.Exists(p))
                    .Take(5)
                    .Select(p => $"{p} is gone; its latents stay, but no other autoencoder can be used for it"),
            ]
        );
    }

    public static Inspection Latents(string path)
    {
        using var set = LatentSet.Open(path);
        return new(
            path,
            "data",
            new JsonObject
            {
                ["holds"] = "latents",
                ["picture"] = $"{set.Info.Width}x{set.Info.Height} at {set.Info.Fps:0.###} frames a second",
                ["autoencoder"] = set.Info.VaeHash,
                ["roles"] = Roles(set.Info.Items.Select(i => (i, (1 + (i.Latents - 1) * 4) / set.Info.Fps))),
            },
            []
        );
    }

    private static JsonObject Roles(IEnumerable<(LatentItem Item, double Seconds)> items) =>
        new(
            items
                .GroupBy(i => i.Item.Role + (i.Item.HeldOut ? " held out" : ""))
                .OrderByDescending(g => g.Key.StartsWith("take", StringComparison.Ordinal))
                .ThenBy(g => g.Key, StringComparer.Ordinal)
                .Select(g =>
                    KeyValuePair.Create(
                        g.Key,
                        (JsonNode?)
                            new JsonObject
                            {
                                ["items"] = g.Count(),
                                ["hours"] = Math.Round(g.Sum(i => i.Seconds) / 3600, 4),
                            }
                    )
                )
        );

    public static Inspection Video(VideoInfo info, IReadOnlyDictionary<string, string> tags) =>
        new(
            info.Path,
            "video",
            new JsonObject
            {
                ["seconds"] = Math.Round(info.Seconds, 3),
                ["frames"] = info.Frames,
                ["picture"] =
                    $"{info.Width}x{info.Height} at {info.Fps:0.###} frames a "
                    + $"second{(info.Variable ? ", unevenly spaced" : "")}",
                ["codec"] = $"{info.Codec} {info.PixelFormat}",
                ["sound"] = info.AudioStreams > 0,
                ["says of itself"] = new JsonObject(tags.Select(t => KeyValuePair.Create(t.Key, (JsonNode?)t.Value))),
            },
            []
        );
}
