using System.Collections.Concurrent;
using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using LongTake.Evaluation;
using LongTake.Training;

namespace LongTake.Cli;

/// <summary>longtake reproduce TABLE</summary>
internal static class ReproduceVerb
{
    public static Command Verb()
    {
        Argument<string> path = new("table") { Description = "a comparison, for example recipes/mini/table.json" };
        Option<double?> budget = new("--budget")
        {
            Description =
                "minutes everything may take: the steps of every stage are scaled down, which the report says",
        };
        Option<int> jobs = new("--jobs")
        {
            Description = "processes side by side, one thread each; 0: one a core, or a single one on a GPU",
        };
        Option<string?> output = new("--output", "-o")
        {
            Description =
                "folder of the report; the table's own place when not given, with --budget the folder "
                + "'report' of its runs",
        };
        Option<bool> page = new("--page")
        {
            Description = "only draw the charts and renew the page, from the numbers that are there",
        };
        Option<bool> worker = new("--worker") { Hidden = true };
        var (sets, device) = (Options.Sets("videos=12 --set out=runs/b"), Options.DeviceOver("table"));
        var (dry, json) = (Options.Dry("what there is to do"), Options.Json());
        return Options.Verb(
            "reproduce",
            "Train, video, measure and report a comparison of methods; the same command goes on where it stopped.",
            [path, sets, budget, jobs, device, output, page, dry, worker, json],
            p =>
                Run(
                    p.GetValue(path)!,
                    p.GetValue(sets) ?? [],
                    p.GetValue(budget),
                    p.GetValue(jobs),
                    p.GetValue(device),
                    p.GetValue(output),
                    p.GetValue(page),
                    p.GetValue(dry),
                    p.GetValue(worker),
                    p.GetValue(json)
                )
        );
    }

    /// <param name="path">The table.</param>
    /// <param name="sets">Changes of it.</param>
    /// <param name="budget">Minutes everything may take; scales the steps of all stages down.</param>
    /// <param name="jobs">Processes side by side; 0: one a core.</param>
    /// <param name="device">Where everything is computed, instead of where the table says.</param>
    /// <param name="report">Where the report goes instead; with a budget not into the documents unless said.</param>
    /// <param name="page">Only renew charts and page.</param>
    /// <param name="dry">Only say what there is to do.</param>
    /// <param name="worker">Do the jobs named on the standard input: for the processes side by side.</param>
    private static int Run(
        string path,
        IReadOnlyList<string> sets,
        double? budget,
        int jobs,
        string? device,
        string? report,
        bool page,
        bool dry,
        bool worker,
        bool json
    )
    {
        if (jobs < 0)
            throw new UserException($"--jobs {jobs}: at least 1, or 0 for one a core", usage: true);
        if (budget is { } minutes && !(minutes > 0))
            throw new UserException($"--budget {minutes}: minutes, more than 0", usage: true);
        path = Shipped.Located(path);
        var table = ComparisonTable.Read(path, sets);
        if (device is not null)
            table = table with { Device = device };
        var side =
            jobs > 0 ? jobs
            : ComputeDevice.Choose(table.Device).type == DeviceType.CPU ? Environment.ProcessorCount
            : 1;
        if (table.From.Length > 0)
            table = table with { From = Shipped.Located(table.From) };
        if (report is not null || budget is not null)
            table = Elsewhere(table, report ?? Path.Combine(table.Out, "report"));
        if (page)
        {
            ComparisonPage.Renew(table, Command(path, budget));
            return Said(table, new Dictionary<string, string>(), json);
        }
        var whole = new ComparisonPlan(table, path);
        var scale = budget is { } b ? Scale(whole, b, side) : 1;
        var plan = scale < 1 ? new ComparisonPlan(table, path, scale) : whole;
        if (worker)
            return Work(plan, table);
        if (dry)
            return ToDo(plan, side, scale, json);

        ComputeDevice.Choose(table.Device); // before anything is written
        OutputPlace.RequireFolder(table.Out);
        OutputPlace.RequireFile(table.Report + ".json");
        if (table.Page.Length > 0)
            OutputPlace.RequireFile(table.Page);
        Directory.CreateDirectory(table.Out);
        using var alone = Alone(table.Out, "give another folder with --set out=FOLDER");
        var cancel = Cli.Run.OnCtrlC();
        var failed = Progress.Run("reproduce", progress =>
            new Jobs(plan, side, Arguments(path, sets, budget, side, device)).Run(progress, cancel)
        );
        cancel.ThrowIfCancellationRequested();
        var made = Scoring.Report(table, plan, scale, budget, j => Why(j, failed));
        ComparisonPage.Write(made, table, plan, Command(path, budget));
        return Said(table, failed, json);
    }

    private static int ToDo(ComparisonPlan plan, int side, double scale, bool json)
    {
        var hours = Jobs.Left(plan) / side / 3600;
        Cli.Run.Print(
            json,
            new()
            {
                ["hours"] = Math.Round(hours, 3),
                ["atATime"] = side,
                ["stepsTimes"] = Math.Round(scale, 4),
                ["jobs"] = new JsonArray([
                    .. plan.Jobs.Select(j => new JsonObject
                    {
                        ["title"] = j.Title,
                        ["minutes"] = Math.Round(j.Cost / 60, 2),
                        ["done"] = Math.Round(j.Share, 4),
                    }),
                ]),
            },
            [
                .. plan.Jobs.Select(j =>
                    $"{(j.Done ? "done" : $"{j.Share:0%}"), 5}  {j.Cost / 60, 7:0.0} min  {j.Title}"
                ),
                $"{plan.Jobs.Count} jobs, about {hours:0.0} hours left with {side} at a time"
                    + (scale < 1 ? $", steps times {scale:0.####}" : ""),
            ]
        );
        return Cli.Run.Done;
    }

    private static string Command(string path, double? budget) =>
        $"longtake reproduce {path.Replace('\\', '/')}{(budget is { } minutes ? $" --budget {minutes:0.##}" : "")}";

    private static ComparisonTable Elsewhere(ComparisonTable table, string folder) =>
        table with
        {
            Report = Path.Combine(folder, Path.GetFileName(table.Report)),
            Page = Path.Combine(folder, Path.GetFileName(table.Page)),
        };

    private static int Said(ComparisonTable table, IReadOnlyDictionary<string, string> failed, bool json)
    {
        Cli.Run.Print(
            json,
            new JsonObject
            {
                ["page"] = table.Page,
                ["report"] = table.Report + ".json",
                ["failed"] = new JsonArray([.. failed.Values.Select(f => (JsonNode)f)]),
            },
            [
                .. failed.Values.Select(f => $"Failed: {f}"),
                $"The page is {table.Page}, the numbers are in {table.Report}.json.",
            ]
        );
        return failed.Count > 0 ? Cli.Run.Failed : Cli.Run.Done;
    }

    private static string Why(Job job, IReadOnlyDictionary<string, string> failed) =>
        failed.TryGetValue(job.Id, out var own)
            ? own
            : job.After.Where(a => !a.Done).Select(a => Why(a, failed)).FirstOrDefault() ?? $"{job.Title}: not done";

    // Encoding, videos and their measuring cost what they cost; what is left of the budget is for the steps.
    private static double Scale(ComparisonPlan plan, double minutes, int side)
    {
        var whole = plan.Jobs.Sum(j => j.Fixed);
        var steps = plan.Jobs.Sum(j => j.Steps);
        if (steps == 0)
            return 1;
        var left = minutes * 60 * side - whole;
        if (left < .005 * steps)
            throw new UserException(
                $"--budget {minutes}: encoding the data, and making and measuring the videos, alone take about "
                    + $"{whole / side / 60:0.0} minutes here, and a two-hundredth of the steps "
                    + $"{.005 * steps / side / 60:0.0}; give more, or fewer videos with --set videos=4",
                usage: true
            );
        return Math.Min(1, left / steps);
    }

    /// <summary>Keeps other comparisons out of a folder that is there.</summary>
    public static IDisposable Alone(string folder, string otherwise) =>
        FileLock.Try(Path.Combine(folder, "lock"))
        ?? throw new UserException(
            $"{folder}: another comparison works in this folder. Wait for it, stop it, or {otherwise}."
        );

    private static string[] Arguments(
        string path,
        IReadOnlyList<string> sets,
        double? budget,
        int side,
        string? device
    ) =>
        [
            "reproduce",
            path,
            .. sets.SelectMany(s => new[] { "--set", s }),
            .. budget is { } b ? new[] { "--budget", b.ToString("R", CultureInfo.InvariantCulture) } : [],
            .. device is null ? [] : new[] { "--device", device },
            "--jobs",
            $"{side}",
            "--worker",
        ];

    /// <summary>
    /// The jobs whose ids come on the standard input, a line each; after each it says <see cref="Jobs.DoneLine"/>. It
    /// ends when its parent does: the parent's end of the standard input closes, however the parent ends.
    /// </summary>
    private static int Work(ComparisonPlan plan, ComparisonTable table)
    {
        using var orphaned = CancellationTokenSource.CreateLinkedTokenSource(Cli.Run.OnCtrlC());
        using var ids = new BlockingCollection<string>();
        new Thread(() => Listen(ids, orphaned)) { IsBackground = true }.Start();
        Libtorch.Threads = 1;
        foreach (var id in ids.GetConsumingEnumerable())
        {
            var job = plan.Jobs.FirstOrDefault(j => j.Id == id)
                ?? throw new UserException($"'{id}': no job of this table; --worker is for the program itself");
            // What an earlier parent left behind may still be saving the same job.
            using var turn = FileLock.Take(Path.Combine(table.Out, "jobs", id + ".lock"), orphaned.Token);
            ComparisonWork.Do(job, table, new Lines(), orphaned.Token);
            Console.Out.WriteLine(Jobs.DoneLine);
        }
        return Cli.Run.Done;
    }

    private static void Listen(BlockingCollection<string> ids, CancellationTokenSource orphaned)
    {
        try
        {
            while (Console.In.ReadLine() is { } id)
                ids.Add(id);
        }
        catch (IOException) { }
        try
        {
            ids.CompleteAdding();
            orphaned.Cancel();
        }
        catch (ObjectDisposedException) { }
    }

    private sealed class Lines : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value) =>
            Console.Out.WriteLine($"{value.Done}/{value.Total} {value.Unit} {value.Text}");
    }
}
