using LongTake.Training;

namespace LongTake.Evaluation;

/// <summary>
/// One piece of work; its Id is a function of everything its result depends on, so equal work of two rows is done once.
/// </summary>
public abstract record Job(string Id, string Title, IReadOnlyList<Job> After)
{
    /// <summary>Expected seconds on one core that do not shrink with the steps of training.</summary>
    public required double Fixed { get; init; }

    /// <summary>Expected seconds on one core of its steps of training.</summary>
    public double Steps { get; init; }

    /// <summary>Expected seconds on one core.</summary>
    public double Cost => Fixed + Steps;

    /// <summary>Where its result lies.</summary>
    public abstract string Folder { get; }

    /// <summary>Whether its result is there.</summary>
    public abstract bool Done { get; }

    /// <summary>The share of it that is done, 0 to 1.</summary>
    public abstract double Share { get; }
}

/// <summary>
/// A stage of training, a run folder of its own; <paramref name="Data"/> is the folder of the encoded videos.
/// </summary>
public sealed record StageJob(string Id, string Title, StageJob? Before, TrainRecipe Recipe, string Data)
    : Job(Id, Title, Before is null ? [] : [Before])
{
    public StageConfig Stage => Recipe.Stages[0];
    public override string Folder => Recipe.Out;
    private string Root => Path.Combine(Recipe.Out, Stage.Folder);

    /// <summary>The model it ends with.</summary>
    public string Model => Path.Combine(Root, "model");
    public override bool Done => File.Exists(Path.Combine(Root, "done"));

    private IEnumerable<LogLine> Log =>
        File.Exists(Path.Combine(Root, "log.jsonl")) ? TrainingLog.Read(Path.Combine(Root, "log.jsonl")) : [];

    /// <summary>The last line of its log, for samples and seconds.</summary>
    public LogLine? Last => Log.LastOrDefault();

    /// <summary>Processor seconds it took.</summary>
    public double Processor =>
        Log.SelectMany(l => l.Scalars).Where(s => s.Name == Loop.ProcessorSeconds).Sum(s => s.Value);

    public override double Share => Done ? 1 : Math.Min(.99, (double)(Last?.Step ?? 0) / Stage.Loop.Steps);
}

/// <summary>
/// Videos of a row and a seed (without a row, real takes), made and measured one by one. They are made by
/// <paramref name="Model"/> and measured with the autoencoder and the teacher of <paramref name="Judge"/>.
/// </summary>
public sealed record VideoJob(
    string Id,
    string Title,
    IReadOnlyList<Job> After,
    TableRow? Row,
    long Seed,
    StageJob? Trained,
    string Model,
    string Judge,
    string Set,
    int Videos,
    double Seconds,
    string Place
) : Job(Id, Title, After)
{
    public override string Folder => Place;

    public string File(int n) => Path.Combine(Folder, $"video-{n:D4}.json");

    private int Made => Enumerable.Range(0, Videos).Count(n => System.IO.File.Exists(File(n)));
    public override bool Done => Made == Videos;
    public override double Share => (double)Made / Videos;
}
