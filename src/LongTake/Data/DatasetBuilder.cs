using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Data;

/// <summary>
/// Makes a training set of footage, stage by stage: look (probe, shots, measures), filter, caption, encode, report.
/// Each stage works off what is not done yet, so any of them can be stopped, killed, repeated, and shared among
/// processes that see the same folder.
/// </summary>
public sealed class DatasetBuilder : IDisposable
{
    private readonly string folder;
    private readonly ModelConfig model;
    private readonly FootageScanner scanner;
    private readonly RecipeHold hold;

    /// <param name="folder">The set.</param>
    /// <param name="recipe">How it is made; written to <c>data.json</c> in it.</param>
    /// <param name="model">The model whose geometry counts.</param>
    /// <exception cref="UserException">Usage: a recipe that contradicts itself or the model, a set among its own
    /// sources, or one that others make by another recipe.</exception>
    public DatasetBuilder(string folder, DataRecipe recipe, ModelConfig model)
    {
        (this.folder, this.model, Recipe) = (Path.GetFullPath(folder), model, recipe);
        Geometry = Geometry.Of(recipe, model);
        foreach (var source in recipe.Sources.Where(Directory.Exists).Select(Path.GetFullPath))
            if (
                (this.folder + Path.DirectorySeparatorChar).StartsWith(
                    Path.TrimEndingDirectorySeparator(source) + Path.DirectorySeparatorChar,
                    StringComparison.Ordinal
                )
            )
                throw new UserException(
                    $"-o {folder}: lies inside the source {source}; give a folder elsewhere",
                    usage: true
                );
        Sources.Require(recipe.Sources);
        // before anything is written
        OutputPlace.RequireFolder(folder);
        foreach (var program in (string[])["ffmpeg", "ffprobe"])
            Video.Ffmpeg.Locate(program);
        scanner = new(Path.Combine(this.folder, "looked"), TimeSpan.FromSeconds(recipe.PatienceSeconds));
        Directory.CreateDirectory(this.folder);
        hold = new(this.folder, recipe);
        AtomicFile.Sweep(this.folder);
    }

    /// <summary>Lets other recipes at the set.</summary>
    public void Dispose() => hold.Dispose();

    public DataRecipe Recipe { get; }
    public Geometry Geometry { get; }

    /// <summary>The recipe within a set.</summary>
    public static string RecipeFile(string folder) => Path.Combine(folder, "data.json");

    /// <summary>Finds the videos of the sources and looks at those that are new.</summary>
    /// <exception cref="UserException">A source that cannot be read, or the disk is full.</exception>
    public IReadOnlyList<(SourceFile File, Look Look)> Look(
        out IReadOnlyList<Refused> refused,
        int workers,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        var (files, without) = Sources.Find(
            Recipe.Sources,
            Path.Combine(folder, "unpacked"),
            Recipe.Captions.FromName,
            cancel
        );
        refused = without;
        using var claims = new Claims(Path.Combine(folder, "claims"));
        progress?.Report(new(0, files.Count, "files", "looking"));
        SharedWork.Run(
            files,
            f => FootageScanner.Key(f.Path),
            f => scanner.Known(f.Path) is not null,
            f => scanner.Look(f.Path, cancel),
            claims,
            workers,
            (done, waiting) => progress?.Report(new(done, files.Count, "files", waiting)),
            cancel
        );
        return
        [
            .. files.Select(f =>
                (
                    f,
                    scanner.Known(f.Path)
                        ?? throw new UserException($"{f.Path}: changed while it was looked at; run again")
                )
            ),
        ];
    }

    /// <summary>
    /// What an ingest of these videos alone makes of each, in their order: what was found, and a decision on every
    /// stretch. Nothing is written.
    /// </summary>
    /// <exception cref="UserException">Usage: a recipe that contradicts itself or the model.</exception>
    public static IReadOnlyList<(Look Look, IReadOnlyList<Decision> Decisions)> Try(
        IReadOnlyList<string> videos,
        DataRecipe recipe,
        ModelConfig model,
        Action<int, double>? progress,
        CancellationToken cancel
    )
    {
        var geometry = Geometry.Of(recipe, model);
        var patience = TimeSpan.FromSeconds(recipe.PatienceSeconds);
        List<Look> looks =
        [
            .. videos
                .Distinct()
                .Select((v, n) => FootageScanner.Look(v, patience, null, share => progress?.Invoke(n, share), cancel)),
        ];
        var decisions = Data
            .Filter.Decide(looks.Select(l => (new SourceFile(l.Path, l.Path, "", "", []), l)), [], recipe, geometry)
            .ToLookup(d => d.Path);
        return [.. looks.Select(l => (l, (IReadOnlyList<Decision>)[.. decisions[l.Path]]))];
    }

    /// <summary>Judges what was looked at.</summary>
    public IReadOnlyList<Decision> Filter(IEnumerable<(SourceFile, Look)> looked, IEnumerable<Refused> refused) =>
        Data.Filter.Decide(looked, refused, Recipe, Geometry);

    /// <summary>
    /// Asks the recipe's endpoint, where it names one, for captions that are missing. Nothing is lost when it does not
    /// answer.
    /// </summary>
    public CaptionReport Ask(
        IReadOnlyList<Decision> decisions,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    ) => new Captioner(folder, Recipe.Captions.Endpoint).Ask(decisions, progress, cancel);

    /// <summary>The decisions with captions that were answered, now or before.</summary>
    public IReadOnlyList<Decision> Captioned(IReadOnlyList<Decision> decisions) =>
        new Captioner(folder, Recipe.Captions.Endpoint).Apply(decisions);

    /// <summary>Writes report.json and report.html.</summary>
    /// <returns>The path of report.html.</returns>
    public string Report(
        IReadOnlyList<Decision> decisions,
        VideoSetInfo? set,
        string latents,
        CaptionReport? captions
    ) => DataReport.Write(folder, Recipe, decisions, set, latents, captions, scanner.Sheet);

    /// <summary>Writes the list of the set; the one that was there stays when nothing is kept.</summary>
    /// <exception cref="UserException">Nothing is kept: names the rule that took most.</exception>
    public VideoSetInfo List(IReadOnlyList<Decision> decisions)
    {
        if (decisions.All(d => !d.Kept))
            throw Nothing(decisions);
        var set = SetPlan.Of(decisions, Recipe, Geometry, model);
        VideoSet.Write(folder, set);
        return set;
    }

    /// <summary>The rules in their order, with how many stretches each took.</summary>
    public static IEnumerable<(string Rule, int Dropped)> Funnel(IReadOnlyList<Decision> decisions) =>
        Data.Filter.Rules.Select(r => (r.Rule, decisions.Count(d => d.Rule == r.Rule))).Where(r => r.Item2 > 0);

    private static UserException Nothing(IReadOnlyList<Decision> decisions)
    {
        if (decisions.Count == 0)
            return new("no data set: there is not one video in the sources given");
        var (rule, count) = Funnel(decisions).MaxBy(r => r.Dropped);
        var one = decisions.First(d => d.Rule == rule);
        var all = string.Join(", ", Funnel(decisions).Select(r => $"{r.Rule} {r.Dropped}"));
        return new(
            $"no data set: none of {decisions.Count} stretches of video could be kept; the rule that took most "
                + $"is '{rule}' ({count}), "
                + $"for example {one.Path}: {one.Reason}. Dropped by rule: {all}"
        );
    }
}
