using System.Globalization;
using LongTake.Bench;
using LongTake.Bench.Gpu;

// ./dev bench [words]: the subjects whose name holds one of the words, without words all but those that must be named;
// one table, and bench/results.json. Figures are medians over turns, ours and the peer's one after the other.
(string Name, Func<IEnumerable<Row>> Run, bool Named)[] subjects =
[
    ("limits", Limits.Rows, false),
    ("attention", AttentionSpeed.Rows, false),
    ("vae.decode", VaeDecode.Rows, false),
    ("wan100m", Wan100M.Rows, false),
    ("train.step", TrainStep.Rows, false),
    ("train.mmm", MmmStep.Rows, false),
    ("video", Video.Rows, false),
    ("world", World.Rows, false),
    ("measure", Measuring.Rows, false),
    ("lifetime", Lifetime.Rows, false),
    ("law", Law.Rows, true),
];
try
{
    return Main(args);
}
catch (UserException e)
{
    Console.Error.WriteLine($"bench: {e.Message}");
    return e.Usage ? 2 : 1;
}

int Main(string[] args)
{
    if (args is ["--compare", var before, var after])
        return Comparison.Print(before, after) ? 0 : 1;
    if (args is ["gpu", .. var rest])
        return GpuChecks.Run(rest);
    if (args is ["memory", var work, var size])
        return PeakMemory.Child(work, int.Parse(size, CultureInfo.InvariantCulture));
    Engine.Start();
    var (words, output) = (new List<string>(), Results.Path());
    Libtorch.Threads = Environment.ProcessorCount;
    for (var i = 0; i < args.Length; i++)
    {
        if (args[i] == "--processor")
            Turns.Processor = true;
        else if (args[i] == "--verbose")
            Turns.Told = true;
        else if (args[i] == "--alone")
            Turns.Alone = true;
        else if (args[i] == "--threads" && i + 1 < args.Length && int.TryParse(args[i + 1], out var n) && n > 0)
            (Libtorch.Threads, i) = (n, i + 1);
        else if (args[i] == "-o" && i + 1 < args.Length)
            output = args[++i];
        else if (args[i].StartsWith('-') || args[i] == "help")
            throw new UserException(
                $"""
                usage: ./dev bench [words] [-o FILE] [--threads N] [--processor] [--verbose] [--alone]
                       ./dev bench --compare BEFORE.json AFTER.json
                       ./dev bench gpu PART OUT.json [options]   (bench/gpu/run.sh calls it)
                words choose among: {string.Join(
                    ", ",
                    subjects.Select(s => s.Named ? s.Name + " (only when named)" : s.Name)
                )}
                --alone runs ours without its peers, and keeps nothing
                --processor counts processor seconds instead of those of the clock, for a machine that others keep busy
                """,
                usage: true
            );
        else
            words.Add(args[i]);
    }
    bool Named(string subject) =>
        words.Any(w =>
            subject.Contains(w, StringComparison.OrdinalIgnoreCase)
            || w.StartsWith(subject, StringComparison.OrdinalIgnoreCase)
        );
    var wanted = subjects.Where(s => words.Count == 0 ? !s.Named : Named(s.Name)).ToArray();
    var names = string.Join(", ", subjects.Select(s => s.Name));
    if (wanted.Length == 0)
        throw new UserException(
            $"no subject is named like '{string.Join(' ', words)}'; there are {names}",
            usage: true
        );
    if (Python.Interpreter is null)
        Console.Error.WriteLine($"bench: {Python.Absent}");
    var (rows, others) = (new List<Row>(), new Others());
    foreach (var (name, run, _) in wanted)
    {
        Console.Error.WriteLine($"bench: {name}");
        var made = run().ToList();
        // A figure from a machine that others keep busy must say so.
        var busy = others.Cores;
        if (busy > 0.15 * Environment.ProcessorCount)
        {
            var doubt = $"provisional: others kept {busy:0.0} of {Environment.ProcessorCount} cores busy";
            made = [.. made.Select(r => r with { Note = r.Note is null ? doubt : $"{r.Note}; {doubt}" })];
        }
        rows.AddRange(made);
        // Kept at once: a run that is cut off loses the subject it was at.
        if (!Turns.Alone)
            new Results(Results.Facts(busy), made).Save(output);
    }
    Row.Print(rows);
    if (Turns.Alone)
        return 0;
    var missed = rows.Where(r => !r.Kept).Select(r => r.Name).ToArray();
    if (missed.Length > 0)
        Console.Error.WriteLine($"bench: not as wanted: {string.Join("; ", missed)}");
    return missed.Length == 0 ? 0 : 1;
}
