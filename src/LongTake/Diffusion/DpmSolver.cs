namespace LongTake.Diffusion;

/// <summary>How DPM-Solver++ uses the slope of the x0 predictions.</summary>
public enum DpmSlope
{
    Midpoint,
    Heun,
}

/// <summary>
/// DPM-Solver++ for flow matching, multistep of order 2 ("2M") or 1; with a noise source its stochastic form (SDE). The
/// first and the last step are of order 1. Source: arXiv 2211.01095; reference: wan/utils/fm_solvers.py.
/// </summary>
public sealed class DpmSolver : IFlowSolver
{
    private readonly SolverHistory history;
    private readonly int order;
    private readonly DpmSlope slope;
    private readonly Func<Tensor>? noise;
    private int at;

    /// <summary><paramref name="noise"/>, standard normal in the shape of the sample, is drawn once a step.</summary>
    public DpmSolver(
        int steps,
        double shift,
        int order = 2,
        DpmSlope slope = DpmSlope.Midpoint,
        Func<Tensor>? noise = null
    )
    {
        if (steps < 1 || order is < 1 or > 2)
            throw new UserException(
                $"DPM++ with {steps} steps of order {order}: steps must be positive, the order 1 or 2",
                usage: true
            );
        history = new SolverHistory(steps, 1, shift);
        (this.order, this.slope, this.noise) = (order, slope, noise);
    }

    public IReadOnlyList<double> Timesteps => history.Timesteps;

    /// <summary>Levels of the steps and the final 0.</summary>
    public IReadOnlyList<double> Sigmas => history.Sigmas;

    public Tensor Step(Tensor x, Tensor velocity)
    {
        using var scope = torch.NewDisposeScope();
        var (s, t) = (history.Sigmas[at], history.Sigmas[at + 1]);
        history.Remember(at, x - velocity * s, order);
        var clean = history.Clean(at);
        // infinite at the first and at the last step: the limits below are right
        var h = history.Lambda(at + 1) - history.Lambda(at);
        var decay = Math.Exp(noise is null ? -h : -2 * h);
        var pull = (1 - t) * (1 - decay);
        var moved = x * (noise is null ? t / s : t / s * Math.Exp(-h)) + clean * pull;
        if (order == 2 && at > 0 && at + 1 < Timesteps.Count)
        {
            // infinite at the second step: its slope is 0
            var ratio = (history.Lambda(at) - history.Lambda(at - 1)) / h;
            var bend =
                slope == DpmSlope.Midpoint ? 0.5 * pull : (1 - t) * ((decay - 1) / (noise is null ? h : 2 * h) + 1);
            moved += (clean - history.Clean(at - 1)) * (bend / ratio);
        }
        if (noise is not null)
            moved += noise() * (t * Math.Sqrt(1 - Math.Exp(-2 * h)));
        at++;
        return moved.MoveToOuterDisposeScope();
    }

    public void Dispose() => history.Dispose();
}
