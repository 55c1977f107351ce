using Spectre.Console;

namespace LongTake.Cli;

/// <summary>Shows long work on the error stream: a live line in a terminal, else a plain line now and then.</summary>
public static class Progress
{
    /// <summary>Runs <paramref name="work"/> and shows what it reports.</summary>
    public static T Run<T>(string title, Func<IProgress<ProgressReport>, T> work)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        if (Console.IsErrorRedirected || !console.Profile.Capabilities.Interactive)
            return work(new PlainProgress(title, Console.Error, TimeProvider.System));
        return console
            .Progress()
            .AutoClear(true)
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn()
            )
            .Start(context =>
            {
                var task = context.AddTask(Markup.Escape(title));
                task.IsIndeterminate = true;
                return work(new LiveProgress(title, task, new Pace(TimeProvider.System)));
            });
    }

    private sealed class LiveProgress(string title, ProgressTask task, Pace pace) : IProgress<ProgressReport>
    {
        public void Report(ProgressReport value)
        {
            task.IsIndeterminate = value.Total <= 0;
            if (value.Total > 0)
                task.MaxValue(value.Total).Value(value.Done);
            task.Description = Markup.Escape(pace.Line(title, value));
        }
    }
}

/// <summary>Writes a line at the first report, then every ten seconds, and at the end.</summary>
public sealed class PlainProgress(string title, TextWriter output, TimeProvider time) : IProgress<ProgressReport>
{
    private readonly Pace pace = new(time);
    private long? last;

    /// <inheritdoc/>
    public void Report(ProgressReport value)
    {
        var line = pace.Line(title, value);
        if (last is { } then && time.GetElapsedTime(then) < TimeSpan.FromSeconds(10) && value.Done != value.Total)
            return;
        last = time.GetTimestamp();
        output.WriteLine(line);
    }
}

/// <summary>
/// Rate and time left, counted from the first report on: what a resumed run had done before does not count. Each stage
/// of work counts anew.
/// </summary>
internal sealed class Pace(TimeProvider time)
{
    private (long Done, long At)? first;
    private ProgressReport? before;

    public string Line(string title, ProgressReport report)
    {
        if (before is null || report.Done < before.Done || report.Unit != before.Unit)
            first = (report.Done, time.GetTimestamp());
        before = report;
        var seconds = time.GetElapsedTime(first!.Value.At).TotalSeconds;
        var rate = seconds > 0 ? (report.Done - first.Value.Done) / seconds : 0;
        var of = report.Total > 0 ? $"{report.Done}/{report.Total}" : $"{report.Done}";
        List<string> parts = [$"{title}: {of} {report.Unit}"];
        if (rate > 0)
            parts.Add($"{rate:0.###} {report.Unit}/s");
        if (rate > 0 && report.Total > report.Done)
            parts.Add($"{Span((report.Total - report.Done) / rate)} left");
        if (report.Text.Length > 0)
            parts.Add(report.Text);
        return string.Join(", ", parts);
    }

    private static string Span(double seconds) =>
        seconds switch
        {
            < 60 => $"{seconds:0}s",
            < 3600 => $"{(int)seconds / 60}m{(int)seconds % 60:D2}s",
            < 360_000 => $"{(int)seconds / 3600}h{(int)seconds / 60 % 60:D2}m",
            _ => $"{seconds / 86400:0} days",
        };
}
