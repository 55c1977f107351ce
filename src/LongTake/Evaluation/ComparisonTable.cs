using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LongTake.Generation;

namespace LongTake.Evaluation;

/// <summary>
/// Stages of a recipe that a row trains, one part after another; the first part begins with a new model (or the
/// table's).
/// </summary>
public sealed record TrainPart
{
    /// <summary>A training recipe, beside the table. Its "from" and "out" do not count here.</summary>
    public required string Recipe { get; init; }

    /// <summary>First and last stage taken, by folder name; empty: the recipe's own first and last.</summary>
    public string First { get; init; } = "";
    public string Last { get; init; } = "";

    /// <summary>Changes of the recipe, as --set of 'train'.</summary>
    public IReadOnlyList<string> Sets { get; init; } = [];

    /// <summary>Changes of stages by folder name, merged over them: { "mmm": { "mmm": { "anchor": 0 } } }.</summary>
    public IReadOnlyDictionary<string, JsonObject> With { get; init; } = new Dictionary<string, JsonObject>();
}

/// <summary>How a row's videos are made; what is left out is the model's own.</summary>
public sealed record VideoSettings
{
    public Network? Network { get; init; }
    public Sampler? Sampler { get; init; }
    public int? Steps { get; init; }
    public double? Guidance { get; init; }
    public double? Shift { get; init; }
    public int FmSteps { get; init; }

    /// <summary>
    /// Latents at which a roll-out begins its second window, and from one window to the next; 0: videos are made at
    /// once.
    /// </summary>
    public int SeamFirst { get; init; }
    public int SeamEvery { get; init; }

    /// <summary>The request of one video.</summary>
    public VideoRequest Request(string prompt, long seed, double seconds) =>
        new()
        {
            Prompt = prompt,
            Seed = seed,
            Seconds = seconds,
            Network = Network,
            Sampler = Sampler,
            Steps = Steps,
            Guidance = Guidance,
            Shift = Shift,
            FmSteps = FmSteps,
            Beyond = true,
        };
}

/// <summary>A row: what is trained, with which seeds, and how its videos are made.</summary>
public sealed record TableRow
{
    public required string Name { get; init; }
    public IReadOnlyList<TrainPart> Train { get; init; } = [];

    /// <summary>
    /// A model folder that makes the videos of a row that trains nothing; the table's "from" when empty.
    /// </summary>
    public string Model { get; init; } = "";

    /// <summary>Seeds of every stage after the teacher.</summary>
    public IReadOnlyList<long> Seeds { get; init; } = [1];
    public VideoSettings Video { get; init; } = new();

    /// <summary>Length of the videos in seconds; the table's when 0.</summary>
    public double Seconds { get; init; }

    /// <summary>Whether the drift lens is asked; off where a head is not trained.</summary>
    public bool Lens { get; init; } = true;

    /// <summary>Whether the row is drawn in the charts of curves and of the trade-off; all are in the tables.</summary>
    public bool Chart { get; init; } = true;
}

/// <summary>A comparison of methods: everything that makes its numbers.</summary>
public sealed record ComparisonTable
{
    /// <summary>What it asks, in a sentence: the title of its part of the page.</summary>
    public string About { get; init; } = "";

    /// <summary>Folder of stages and videos.</summary>
    public string Out { get; init; } = "runs/table";

    /// <summary>Prefix of the report: PREFIX.json, PREFIX.md, the charts and the contact sheets.</summary>
    public string Report { get; init; } = "docs/results/table";

    /// <summary>
    /// A page that shows the headline metrics between two marks, which is all of it that is renewed; none when empty.
    /// </summary>
    public string Page { get; init; } = "docs/results.md";

    /// <summary>
    /// A model folder with autoencoder, text encoder and teacher; recipes then leave out their stages up to the
    /// teacher.
    /// </summary>
    public string From { get; init; } = "";

    /// <summary>
    /// Where everything is computed, whatever the recipes say: auto (a GPU where there is one), cpu, cuda, cuda:1, mps.
    /// </summary>
    public string Device { get; init; } = "auto";

    /// <summary>Captions and seeds of the videos: tune or final.</summary>
    public string Set { get; init; } = "final";
    public int Videos { get; init; } = 48;
    public double Seconds { get; init; } = 61;

    /// <summary>
    /// Real takes that are the units of the measures and the space of the distances; none is a real take of the table.
    /// </summary>
    public int ReferenceTakes { get; init; } = 48;

    /// <summary>
    /// Names of the metrics that the question is decided by, chosen before the table is made: each row is tested
    /// against the reference in these, corrected for their number by Holm.
    /// </summary>
    public IReadOnlyList<string> Primary { get; init; } = [];

    /// <summary>The row that others are subtracted from, video by video.</summary>
    public required string Reference { get; init; }

    /// <summary>
    /// Expected seconds on one core of one step of a method, of one network call of a video ("Video"), and of one
    /// frame that is rendered and encoded ("Frame"): for --budget and the time left.
    /// </summary>
    public IReadOnlyDictionary<string, double> Cost { get; init; } = new Dictionary<string, double>();
    public required IReadOnlyList<TableRow> Rows { get; init; }

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (Rows.Count == 0)
            yield return "rows: give at least one";
        if (Rows.GroupBy(r => r.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            yield return $"rows: two are called '{twice.Key}'";
        if (Rows.All(r => r.Name != Reference))
            yield return $"reference '{Reference}': no row has this name; rows are "
                + $"{string.Join(", ", Rows.Select(r => $"'{r.Name}'"))}";
        foreach (var name in Primary.Where(name => Metric.All.All(m => m.Name != name)))
            yield return $"primary '{name}': metrics are {string.Join(", ", Metric.All.Select(m => m.Name))}";
        if (ComputeDevice.Problem(Device) is { } wrong)
            yield return wrong;
        if (Videos < 2)
            yield return $"videos {Videos}: at least 2, for the intervals";
        if (ReferenceTakes < 2)
            yield return $"referenceTakes {ReferenceTakes}: at least 2";
        if (!(Seconds > 0))
            yield return $"seconds {Seconds}: more than 0";
        if (Set is not ("tune" or "final"))
            yield return $"set '{Set}': tune or final";
        foreach (var row in Rows)
        {
            if (row.Seeds.Count == 0 || row.Seeds.Distinct().Count() < row.Seeds.Count)
                yield return $"rows, '{row.Name}': seeds are different numbers, at least one";
            if (row.Train.Count == 0 && row.Model.Length == 0 && From.Length == 0)
                yield return $"rows, '{row.Name}': names no recipe to train and no model, and the table has no "
                    + "\"from\"";
            if (row.Train.Count > 0 && row.Model.Length > 0)
                yield return $"rows, '{row.Name}': names recipes to train and a model; give one of them";
            if (row.Video.SeamFirst < 0 || row.Video.SeamEvery < 0)
                yield return $"rows, '{row.Name}': seams are at least 0";
        }
        foreach (var (name, seconds) in Cost)
            if (!(seconds > 0))
                yield return $"cost.{name} {seconds}: more than 0";
    }

    /// <summary>Reads a table; recipes are looked for beside it.</summary>
    /// <exception cref="UserException">Usage: what is wrong with it.</exception>
    public static ComparisonTable Read(string path, IEnumerable<string> sets)
    {
        var table = Recipe.Read(path, sets, ComparisonJson.Default.ComparisonTable);
        return string.Join("; ", table.Problems()) is { Length: > 0 } problems
            ? throw new UserException($"{path}: {problems}", usage: true)
            : table;
    }
}

[JsonSerializable(typeof(ComparisonTable))]
[JsonSerializable(typeof(VideoMeasure))]
[JsonSerializable(typeof(ComparisonReport))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    WriteIndented = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class ComparisonJson : JsonSerializerContext;
