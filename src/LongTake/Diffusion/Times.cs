namespace LongTake.Diffusion;

/// <summary>Which steps of a few-step list a training roll-out may stop at.</summary>
public enum ExitSchedule
{
    /// <summary>Any, equally likely.</summary>
    Uniform,

    /// <summary>The last alone: every video is finished.</summary>
    Last,

    /// <summary>The first alone: one step from pure noise.</summary>
    First,
}

/// <summary>Noise levels: the shift map, few-step lists, and the rules they are drawn from in training.</summary>
public static class Times
{
    /// <summary>
    /// sigma = k s / (1 + (k - 1) s): k above 1 spends more of the range at high noise. k = 1 is the identity.
    /// </summary>
    public static double Shift(double s, double k) => k * s / (1 + (k - 1) * s);

    /// <summary>
    /// The few-step list in timesteps (1000 sigma): n uniform s from 1 down, shifted. n = 4, k = 5: 1000, 937.5, 833.3,
    /// 625.
    /// </summary>
    public static double[] FewSteps(int n, double k) =>
        [.. Enumerable.Range(0, n).Select(i => 1000 * Shift(1 - (double)i / n, k))];

    /// <summary>sigmas of an ODE solver with n steps, from 1 to 0 (n + 1 numbers).</summary>
    public static double[] Sigmas(int n, double k) =>
        [.. Enumerable.Range(0, n + 1).Select(i => Shift(1 - (double)i / n, k))];

    /// <summary>
    /// A level for distribution matching: uniform, shifted, clamped to [0.02, 0.98] (Self-Forcing's 20 and 980 of
    /// 1000).
    /// </summary>
    public static double DrawMatching(Rng random, double k) => Math.Clamp(Shift(random.Uniform(), k), 0.02, 0.98);

    /// <summary>The index of the step that a roll-out of <paramref name="steps"/> steps stops at.</summary>
    public static int DrawExit(Rng random, ExitSchedule schedule, int steps) =>
        schedule switch
        {
            ExitSchedule.Last => steps - 1,
            ExitSchedule.First => 0,
            _ => random.Int(steps),
        };
}
