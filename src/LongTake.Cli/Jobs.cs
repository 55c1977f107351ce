using System.Diagnostics;
using LongTake.Evaluation;

namespace LongTake.Cli;

/// <summary>
/// Runs the jobs of a plan as child processes of this program, one thread each, so many side by side; a job begins when
/// those before it are done, the one with the longest way to the end first. A job that fails keeps back only those that
/// need it.
/// </summary>
internal sealed class Jobs(ComparisonPlan plan, int side, Func<Job, string[]> arguments)
{
    private readonly Dictionary<string, string> failed = [];

    /// <summary>Expected seconds on one core of what is left.</summary>
    public static double Left(ComparisonPlan plan) => plan.Jobs.Sum(j => j.Cost * (1 - j.Share));

    /// <summary>Works until nothing more can be done; returns what failed, by job id, and why.</summary>
    public IReadOnlyDictionary<string, string> Run(IProgress<ProgressReport> progress, CancellationToken cancel)
    {
        var behind = plan.Jobs.ToDictionary(j => j.Id, _ => 0.0);
        foreach (var job in plan.Jobs.Reverse()) // those before a job come before it in the plan
        foreach (var before in job.After)
            behind[before.Id] = Math.Max(behind[before.Id], behind[job.Id] + job.Cost);
        var waiting = plan.Jobs.Where(j => !j.Done).OrderByDescending(j => behind[j.Id] + j.Cost).ToList();
        var running = new List<Running>();
        try
        {
            while (true)
            {
                foreach (var one in running.Where(r => r.Child.HasExited).ToList())
                {
                    running.Remove(one);
                    one.Child.WaitForExit(); // the last lines of its output too
                    if (!cancel.IsCancellationRequested && !one.Job.Done)
                        failed[one.Job.Id] = $"{one.Job.Title}: {one.Error()}";
                    one.Child.Dispose();
                }
                if (cancel.IsCancellationRequested)
                    break;
                while (running.Count < side && waiting.FirstOrDefault(j => j.After.All(a => a.Done)) is { } next)
                {
                    waiting.Remove(next);
                    running.Add(new Running(next, Start(arguments(next))));
                }
                if (running.Count == 0)
                    break;
                Report(progress, running);
                cancel.WaitHandle.WaitOne(100);
            }
        }
        finally
        {
            foreach (var one in running)
                one.Child.StandardInput.Close(); // they save and end
            foreach (var one in running)
            {
                one.Child.WaitForExit();
                one.Child.Dispose();
            }
        }
        if (cancel.IsCancellationRequested)
            throw new OperationCanceledException(
                $"stopped and saved; {plan.Jobs.Count(j => j.Done)} of {plan.Jobs.Count} jobs are done, the "
                    + $"same command goes on",
                cancel
            );
        Report(progress, running);
        return failed;
    }

    private long reported;

    private void Report(IProgress<ProgressReport> progress, List<Running> running)
    {
        // it reads the logs
        if (running.Count > 0 && reported != 0 && Stopwatch.GetElapsedTime(reported) < TimeSpan.FromSeconds(2))
            return;
        reported = Stopwatch.GetTimestamp();
        var all = plan.Jobs.Sum(j => j.Cost);
        var text = string.Join(
            "; ",
            running
                .Select(r => $"{r.Job.Title} {r.Said}".Trim())
                .Concat(failed.Count > 0 ? [$"{failed.Count} failed"] : [])
        );
        progress.Report(
            new ProgressReport(
                (long)(all - Left(plan)),
                (long)all,
                "core-seconds",
                $"{plan.Jobs.Count(j => j.Done)}/{plan.Jobs.Count} jobs: {text}"
            )
        );
    }

    private static Process Start(string[] arguments)
    {
        var host = Environment.ProcessPath!;
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [typeof(Jobs).Assembly.Location] : [];
        var start = new ProcessStartInfo(host, [.. program, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var variable in (string[])["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"])
            start.Environment[variable] = "1";
        return Process.Start(start)!;
    }

    /// <summary>A child with what it said last.</summary>
    private sealed class Running
    {
        private readonly Queue<string> errors = [];

        public Running(Job job, Process child)
        {
            (Job, Child) = (job, child);
            child.OutputDataReceived += (_, e) => Said = e.Data is { Length: > 0 } line ? line.Trim() : Said;
            child.ErrorDataReceived += (_, e) =>
            {
                if (string.IsNullOrWhiteSpace(e.Data))
                    return;
                lock (errors)
                {
                    errors.Enqueue(e.Data.Trim());
                    if (errors.Count > 5)
                        errors.Dequeue();
                }
            };
            child.BeginOutputReadLine();
            child.BeginErrorReadLine();
        }

        public Job Job { get; }
        public Process Child { get; }
        public string Said { get; private set; } = "";

        public string Error()
        {
            lock (errors)
                return errors.Count > 0
                    ? string.Join(
                        " ",
                        errors.Select(e => e.StartsWith("longtake: ", StringComparison.Ordinal) ? e[10..] : e)
                    )
                    : $"its process ended with code {Child.ExitCode}";
        }
    }
}
