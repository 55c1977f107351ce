using System.Diagnostics;
using LongTake.Evaluation;

namespace LongTake.Cli;

/// <summary>
/// Runs the jobs of a plan in child processes of this program, one thread each, so many side by side; a job begins when
/// those before it are done, the one with the longest way to the end first. A child does one job after the other, and
/// ends with the first that fails, which keeps back only those that need it.
/// </summary>
internal sealed class Jobs(ComparisonPlan plan, int side, string[] arguments)
{
    /// <summary>What a child says when a job is done.</summary>
    public const string DoneLine = "done";

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
        var workers = new List<Worker>();
        try
        {
            while (true)
            {
                foreach (var one in workers.Where(w => w.IsAtRest).ToList())
                    Note(one, workers, cancel);
                if (cancel.IsCancellationRequested)
                    break;
                while (
                    workers.Count(w => w.Job is not null) < side
                    && waiting.FirstOrDefault(j => j.After.All(a => a.Done)) is { } next
                )
                {
                    waiting.Remove(next);
                    if (workers.FirstOrDefault(w => w.Job is null) is not { } free)
                        workers.Add(free = new Worker(Start(arguments)));
                    free.Begin(next);
                }
                if (workers.All(w => w.Job is null))
                    break;
                Report(progress, workers);
                cancel.WaitHandle.WaitOne(100);
            }
        }
        finally
        {
            foreach (var one in workers)
                one.Child.StandardInput.Close(); // they save and end
            foreach (var one in workers)
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
        Report(progress, workers);
        return failed;
    }

    // What became of a worker's job; one that has ended is not asked again.
    private void Note(Worker one, List<Worker> workers, CancellationToken cancel)
    {
        var ended = one.Child.HasExited;
        if (ended)
            one.Child.WaitForExit(); // the last lines of its output too
        if (one.Job is { Done: false } job && !cancel.IsCancellationRequested)
            failed[job.Id] = $"{job.Title}: {one.Error()}";
        one.Rest();
        if (!ended)
            return;
        workers.Remove(one);
        one.Child.Dispose();
    }

    private long reported;

    private void Report(IProgress<ProgressReport> progress, List<Worker> workers)
    {
        // it reads the logs
        var running = workers.Where(w => w.Job is not null).ToList();
        if (running.Count > 0 && reported != 0 && Stopwatch.GetElapsedTime(reported) < TimeSpan.FromSeconds(2))
            return;
        reported = Stopwatch.GetTimestamp();
        var all = plan.Jobs.Sum(j => j.Cost);
        var text = string.Join(
            "; ",
            running
                .Select(r => $"{r.Job!.Title} {r.Said}".Trim())
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

    /// <summary>A child, its job, and what it said last.</summary>
    private sealed class Worker
    {
        private readonly Queue<string> errors = [];
        private volatile bool done;

        public Worker(Process child)
        {
            Child = child;
            child.OutputDataReceived += (_, e) => Hear(e.Data?.Trim() ?? "");
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

        public Process Child { get; }
        public Job? Job { get; private set; }
        public string Said { get; private set; } = "";

        /// <summary>Its job has come to an end, or it has.</summary>
        public bool IsAtRest => Child.HasExited || Job is not null && done;

        public void Begin(Job job)
        {
            (Job, Said, done) = (job, "", false);
            lock (errors)
                errors.Clear(); // a warning of the job before is not why this one fails
            try
            {
                Child.StandardInput.WriteLine(job.Id);
                Child.StandardInput.Flush();
            }
            catch (IOException) { } // it has ended, which is seen next
        }

        public void Rest() => Job = null;

        private void Hear(string line)
        {
            if (line == DoneLine)
                done = true;
            else if (line.Length > 0)
                Said = line;
        }

        public string Error()
        {
            lock (errors)
                return errors.Count > 0
                        ? string.Join(
                            " ",
                            errors.Select(e => e.StartsWith("longtake: ", StringComparison.Ordinal) ? e[10..] : e)
                        )
                    : Child.HasExited ? $"its process ended with code {Child.ExitCode}"
                    : "its process says that it is done, and its result is not there";
        }
    }
}
