using LongTake.Diffusion;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Tests.Methods;

public sealed partial class MmmSessionTests
{
    [Theory]
    [InlineData(RollOut.OnPolicy, 0)]
    [InlineData(RollOut.NoisedReal, 1.5)] // half of 3
    public void ARollOutIsTheStudentsOwnOrANoisedTake(RollOut rollOut, double mean) =>
        Assert.Equal(
            mean * Clean,
            Critic(main with { RollOut = rollOut, Boundary = Boundary.Raw }).X.Average(x => (double)x),
            0.15
        );

    [Fact]
    public void OnPolicyRollOutsStopAtEveryStepOfTheList()
    {
        var exits = Enumerable
            .Range(0, 12)
            .SelectMany(seed =>
                Run(main, student: true, critic: false, [1000, 800, 500], seed).Log.Keys.Where(k => k.StartsWith("gap"))
            )
            .ToHashSet();
        Assert.Equal(["gap 0", "gap 1", "gap 2"], exits.Order());
    }

    [Fact]
    public void TheBoundaryChangesTheFirstLatentOfInnerWindowsAndNothingElse()
    {
        var (image, raw) = (Critic(main), Critic(main with { Boundary = Boundary.Raw }));
        var inner = 0;
        for (var row = 0; row < image.Rows; row++)
        {
            Assert.Equal(raw.Latent(row, 1), image.Latent(row, 1));
            Assert.Equal(raw.Latent(row, 2), image.Latent(row, 2));
            if (!raw.Latent(row, 0).SequenceEqual(image.Latent(row, 0)))
                inner++;
        }
        Assert.InRange(inner, 1, 4);
    }

    /// <summary>
    /// Without its first latent a window is the raw one's rest; one at the video's beginning keeps it.
    /// </summary>
    [Fact]
    public void SkippedBoundariesAreLeftOut()
    {
        var (raw, skip) = (
            Critic(main with { Boundary = Boundary.Raw }),
            Critic(main with { Boundary = Boundary.Skip })
        );
        Assert.Equal(raw.Rows * 4 * 2 * 16, skip.X.Length);
        float[] Skipped(int row, int t) =>
            [
                .. Enumerable
                    .Range(0, 4)
                    .SelectMany(ch => skip.X[(((row * 4 + ch) * 2 + t) * 16)..(((row * 4 + ch) * 2 + t + 1) * 16)]),
            ];
        // up to the noise of .02
        bool Same(float[] a, float[] b) => a.Zip(b).All(p => Math.Abs(p.First - p.Second) < 0.3f);
        var inner = Enumerable
            .Range(0, raw.Rows)
            .Count(row => Same(raw.Latent(row, 1), Skipped(row, 0)) && Same(raw.Latent(row, 2), Skipped(row, 1)));
        var first = Enumerable
            .Range(0, raw.Rows)
            .Count(row => Same(raw.Latent(row, 0), Skipped(row, 0)) && Same(raw.Latent(row, 1), Skipped(row, 1)));
        Assert.True(inner > 0 && inner + first == raw.Rows, $"{inner} inside, {first} at the beginning");
    }

    [Fact]
    public void RollOutsStopWhereTheLawSays()
    {
        string[] Exits(ExitSchedule law) =>
            [
                .. Enumerable
                    .Range(0, 6)
                    .SelectMany(seed =>
                        Run(main with { Exit = law }, student: true, critic: false, [1000, 800, 500], seed)
                            .Log.Keys.Where(k => k.StartsWith("gap"))
                    )
                    .Distinct(),
            ];
        Assert.Equal(["gap 2"], Exits(ExitSchedule.Last));
        Assert.Equal(["gap 0"], Exits(ExitSchedule.First));
    }

    [Fact]
    public void WindowsStartWhereTheLawSays()
    {
        var c = main with { WindowSampling = WindowSampling.Last, Boundary = Boundary.Raw, CriticWindows = 3 };
        var last = Critic(c);
        for (var row = 1; row < last.Rows; row++)
            Assert.All(last.Latent(0, 1).Zip(last.Latent(row, 1)), p => Assert.Equal(p.First, p.Second, 0.3f));
    }
}
