namespace LongTake.Diffusion;

/// <summary>
/// DPM-Solver++ for flow matching, multistep of order 2 ("2M", midpoint). The first and the last step are of order 1.
/// Source: arXiv 2211.01095; reference: wan/utils/fm_solvers.py.
/// </summary>
public sealed class DpmSolver(int steps, double shift) : IFlowSolver
{
    private readonly SolverHistory history = new(steps, 1, shift);
    private int at;

    public IReadOnlyList<double> Timesteps => history.Timesteps;

    /// <summary>Levels of the steps and the final 0.</summary>
    public IReadOnlyList<double> Sigmas => history.Sigmas;

    public Tensor Step(Tensor x, Tensor velocity)
    {
        using var scope = torch.NewDisposeScope();
        var (s, t) = (history.Sigmas[at], history.Sigmas[at + 1]);
        history.Remember(at, x - velocity * s, 2);
        var clean = history.Clean(at);
        // infinite at the first and at the last step: the limits below are right
        var h = history.Lambda(at + 1) - history.Lambda(at);
        var pull = (1 - t) * (1 - Math.Exp(-h));
        var moved = x * (t / s) + clean * pull;
        if (at > 0 && at + 1 < Timesteps.Count)
        {
            // infinite at the second step: its slope is 0
            var ratio = (history.Lambda(at) - history.Lambda(at - 1)) / h;
            moved += (clean - history.Clean(at - 1)) * (0.5 * pull / ratio);
        }
        at++;
        return moved.MoveToOuterDisposeScope();
    }

    public void Dispose() => history.Dispose();
}
