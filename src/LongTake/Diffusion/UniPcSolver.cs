namespace LongTake.Diffusion;

/// <summary>
/// UniPC of order 2 with x0 prediction and B(h) = e^h - 1 ("bh2"), predictor and corrector; Wan's default sampler. The
/// order is 1 at the first and at the last step, where the level is 0. Source: arXiv 2302.04867; reference:
/// wan/utils/fm_solvers_unipc.py.
/// </summary>
public sealed class UniPcSolver(int steps, double shift) : IFlowSolver
{
    // the first of the reference's 1000 training levels, in float32
    private readonly SolverHistory history = new(steps, 0.999f, shift);
    private readonly TensorStore last = new();
    private int at,
        usedOrder;

    public IReadOnlyList<double> Timesteps => history.Timesteps;

    /// <summary>Levels of the steps and the final 0.</summary>
    public IReadOnlyList<double> Sigmas => history.Sigmas;

    public Tensor Step(Tensor x, Tensor velocity)
    {
        using var scope = torch.NewDisposeScope();
        var clean = x - velocity * history.Sigmas[at];
        if (at > 0)
            x = Move(last["sample"]!, at - 1, usedOrder, clean);
        history.Remember(at, clean, 2);
        usedOrder = Math.Min(Math.Min(2, history.Timesteps.Length - at), usedOrder + 1);
        last["sample"] = x.clone();
        return Move(x, at++, usedOrder, null).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// From the level of a step to the next: the predictor reads the predictions of this step and of order - 1
    /// before it, the corrector also the one at the goal.
    /// </summary>
    private Tensor Move(Tensor x, int from, int order, Tensor? goal)
    {
        var (s, t) = (history.Sigmas[from], history.Sigmas[from + 1]);
        var h = history.Lambda(from + 1) - history.Lambda(from);
        var now = history.Clean(from);
        var shrink = Math.Exp(-h) - 1;
        var nodes = new List<(double R, Tensor Clean)>();
        for (var i = 1; i < order; i++)
            nodes.Add(((history.Lambda(from - i) - history.Lambda(from)) / h, history.Clean(from - i)));
        if (goal is not null)
            nodes.Add((1, goal));

        var moved = x * (t / s) - now * ((1 - t) * shrink);
        var weights = Weights([.. nodes.Select(n => n.R)], -h);
        for (var i = 0; i < nodes.Count; i++)
            moved -= (nodes[i].Clean - now) * ((1 - t) * shrink * weights[i] / nodes[i].R);
        return moved;
    }

    /// <summary>rho of the nodes r: sum_k rho_k r_k^(j-1) = b_j; one node alone takes 1/2.</summary>
    private static double[] Weights(double[] r, double h)
    {
        if (r.Length < 2)
            return [.. r.Select(_ => 0.5)];
        var all = Math.Exp(h) - 1;
        var phi = all / h - 1;
        var (b0, b1) = (phi / all, (phi / h - 0.5) * 2 / all);
        var second = (b1 - r[0] * b0) / (r[1] - r[0]);
        return [b0 - second, second];
    }

    public void Dispose()
    {
        history.Dispose();
        last.Dispose();
    }
}
