using LongTake.Bench;

// ./dev bench [words]: the subjects whose name holds one of the words, without words all but those that must be named; one table,
// and bench/results.json. Figures are medians over turns, ours and the peer's one after the other.
(string Name, Func<IEnumerable<Row>> Run, bool Named)[] subjects =
[
    ("op.call", OperatorCall.Rows, false),
    ("limits", Limits.Rows, false),
    ("attention", AttentionSpeed.Rows, false),
    ("vae.decode", VaeDecode.Rows, false),
    ("wan100m", Wan100M.Rows, false),
    ("train.step", TrainStep.Rows, false),
    ("train.mmm", MmmStep.Rows, false),
    ("film", Film.Rows, false),
    ("world", World.Rows, false),
    ("measure", Measuring.Rows, false),
    ("lifetime", Lifetime.Rows, false),
    ("law", Law.Rows, true),
    ("reuse", Reuse.Rows, true),
    ("int8", Int8.Rows, true),
    ("layer", Layers.Rows, true),
    ("decode.length", DecodeLength.Rows, true),
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
    if (args is ["--compare", var before, var after]) return Comparison.Print(before, after) ? 0 : 1;
    var (words, output) = (new List<string>(), Results.Path());
    Libtorch.Threads = Environment.ProcessorCount;
    for (var i = 0; i < args.Length; i++)
    {
        if (args[i] == "--processor") Turns.Processor = true;
        else if (args[i] == "--threads" && i + 1 < args.Length && int.TryParse(args[i + 1], out var n) && n > 0) (Libtorch.Threads, i) = (n, i + 1);
        else if (args[i] == "-o" && i + 1 < args.Length) output = args[++i];
        else if (args[i].StartsWith('-') || args[i] == "help")
            throw new UserException($"""
                usage: ./dev bench [words] [-o FILE] [--threads N] [--processor]
                       ./dev bench --compare BEFORE.json AFTER.json
                words choose among: {string.Join(", ", subjects.Select(s => s.Named ? s.Name + " (only when named)" : s.Name))}
                --processor counts processor seconds instead of those of the clock, for a machine that others keep busy
                """, usage: true);
        else words.Add(args[i]);
    }
    var wanted = subjects.Where(s => words.Count == 0 ? !s.Named : words.Any(w => s.Name.Contains(w, StringComparison.OrdinalIgnoreCase) || w.StartsWith(s.Name, StringComparison.OrdinalIgnoreCase))).ToArray();
    if (wanted.Length == 0) throw new UserException($"no subject is named like '{string.Join(' ', words)}'; there are {string.Join(", ", subjects.Select(s => s.Name))}", usage: true);
    if (Python.Interpreter is null) Console.Error.WriteLine($"bench: {Python.Absent}");
    var (rows, others) = (new List<Row>(), new Others());
    foreach (var (name, run, _) in wanted)
    {
        Console.Error.WriteLine($"bench: {name}");
        rows.AddRange(run());
    }
    // A figure from a machine that others keep busy must say so.
    if (others.Cores is var busy && busy > 0.15 * Environment.ProcessorCount)
        rows = [.. rows.Select(r => r with { Note = $"{r.Note}{(r.Note is null ? "" : "; ")}provisional: others kept {busy:0.0} of {Environment.ProcessorCount} cores busy" })];
    Row.Print(rows);
    new Results(Results.Facts(busy), rows).Save(output);
    var missed = rows.Where(r => !r.Kept).Select(r => r.Name).ToArray();
    if (missed.Length > 0) Console.Error.WriteLine($"bench: not as wanted: {string.Join("; ", missed)}");
    return missed.Length == 0 ? 0 : 1;
}
