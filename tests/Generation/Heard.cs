namespace LongTake.Tests.Generation;

/// <summary>Progress that is heard at once, on the thread that reports it.</summary>
internal sealed class Heard(Action<ProgressReport> what) : IProgress<ProgressReport>
{
    public void Report(ProgressReport value) => what(value);
}
