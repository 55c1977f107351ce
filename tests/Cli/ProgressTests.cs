using LongTake.Cli;

namespace LongTake.Tests.Cli;

public sealed class ProgressTests
{
    private sealed class Clock : TimeProvider
    {
        public double Seconds { get; set; }
        public override long TimestampFrequency => 1000;

        public override long GetTimestamp() => (long)(Seconds * 1000);
    }

    [Fact]
    public void A_plain_line_every_ten_seconds_and_at_the_end()
    {
        var (clock, output) = (new Clock(), new StringWriter { NewLine = "\n" });
        var progress = new PlainProgress("train", output, clock);
        for (var step = 0; step <= 25; step++)
        {
            clock.Seconds = step;
            progress.Report(new(1000 + step * 4, 1100, "samples", $"loss {step}"));
        }
        Assert.Equal(
            """
            train: 1000/1100 samples, loss 0
            train: 1040/1100 samples, 4 samples/s, 15s left, loss 10
            train: 1080/1100 samples, 4 samples/s, 5s left, loss 20
            train: 1100/1100 samples, 4 samples/s, loss 25

            """,
            output.ToString()
        );
    }

    [Fact]
    public void Long_and_unknown_totals()
    {
        var (clock, output) = (new Clock(), new StringWriter { NewLine = "\n" });
        var progress = new PlainProgress("read", output, clock);
        progress.Report(new(0, 0, "files"));
        clock.Seconds = 10;
        progress.Report(new(5, 0, "files"));
        clock.Seconds = 20;
        progress.Report(new(10, 10_000, "files"));
        Assert.Equal(
            "read: 0 files\nread: 5 files, 0.5 files/s\nread: 10/10000 files, 0.5 files/s, 5h33m left\n",
            output.ToString()
        );
    }

    [Fact]
    public void Work_runs_and_returns() => Assert.Equal(7, Progress.Run("t", p =>
            {
                p.Report(new(1, 1, "x", "[odd] text"));
                return 7;
            }));
}
