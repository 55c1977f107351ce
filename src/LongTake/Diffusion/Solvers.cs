namespace LongTake.Diffusion;

/// <summary>
/// One run of a many-step sampler from noise to data: ask the model at each timestep in turn, hand its velocity to
/// <see cref="Step"/>. Keeps what the next steps need; a run is used once.
/// </summary>
public interface IFlowSolver : IDisposable
{
    /// <summary>
    /// What the model is given at each step (1000 sigma, integers where the reference cuts the fraction off).
    /// </summary>
    IReadOnlyList<double> Timesteps { get; }

    /// <summary>
    /// The sample after the next step: x [B, ...] at the level at hand and the model's velocity there.
    /// </summary>
    Tensor Step(Tensor x, Tensor velocity);
}

/// <summary>Euler: x moves by v (sigma' - sigma).</summary>
public sealed class EulerSolver(IReadOnlyList<double> sigmas) : IFlowSolver
{
    private int at;

    /// <summary>sigmas from noise to 0, one more than there are steps.</summary>
    public IReadOnlyList<double> Timesteps { get; } = [.. sigmas.SkipLast(1).Select(s => 1000 * s)];

    public Tensor Step(Tensor x, Tensor velocity) => x.add(velocity, sigmas[at + 1] - sigmas[at++]);

    public void Dispose() { }
}

/// <summary>
/// What the multistep solvers share: levels rounded to float32, and clean predictions of earlier steps.
/// </summary>
internal sealed class SolverHistory : IDisposable
{
    private readonly TensorStore kept = new();

    /// <summary>
    /// Evenly spaced from <paramref name="first"/> towards 0, then shifted. The order of the operations is numpy's
    /// linspace: a last bit decides on which side of a whole number a timestep falls before its fraction is cut off.
    /// </summary>
    public SolverHistory(int steps, double first, double shift)
    {
        if (steps < 1)
            throw new UserException($"{steps} steps: a sampler needs at least 1", usage: true);
        double[] levels = [.. Enumerable.Range(0, steps).Select(i => Times.Shift(i * (-first / steps) + first, shift))];
        Sigmas = [.. levels.Select(s => (double)(float)s), 0];
        Timesteps = [.. levels.Select(s => Math.Truncate(1000 * s))];
    }

    /// <summary>sigma of step i; one entry more than steps, the last 0.</summary>
    public double[] Sigmas { get; }

    /// <summary>1000 sigma without the fraction.</summary>
    public double[] Timesteps { get; }

    /// <summary>log(alpha / sigma), half the log of the signal-to-noise ratio; infinite at both ends.</summary>
    public double Lambda(int step) => Math.Log(1 - Sigmas[step]) - Math.Log(Sigmas[step]);

    /// <summary>The x0 prediction of a step, as far as <see cref="Remember"/> still has it.</summary>
    public Tensor Clean(int step) => kept[step]!;

    /// <summary>
    /// Takes over a step's prediction (no view) and drops the one <paramref name="depth"/> steps before.
    /// </summary>
    public void Remember(int step, Tensor clean, int depth)
    {
        kept[step] = clean;
        kept[step - depth] = null;
    }

    public void Dispose() => kept.Dispose();
}
