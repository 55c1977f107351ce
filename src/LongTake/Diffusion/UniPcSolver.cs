namespace LongTake.Diffusion;

/// <summary>
/// UniPC with x0 prediction and B(h) = e^h - 1 ("bh2"), predictor and corrector; Wan's default sampler. The order falls
/// to 1 at the last step, where the level is 0. Source: arXiv 2302.04867; reference: wan/utils/fm_solvers_unipc.py.
/// </summary>
public sealed class UniPcSolver : IFlowSolver
{
    private readonly SolverHistory history;
    private readonly int order;
    private readonly IReadOnlyCollection<int> uncorrected;
    private readonly TensorStore last = new();
    private int at,
        usedOrder;

    /// <summary>
    /// Order 1 to 3; the outcome of steps in <paramref name="uncorrected"/> (from 0) is not corrected by the step
    /// after.
    /// </summary>
    public UniPcSolver(int steps, double shift, int order = 2, IReadOnlyCollection<int>? uncorrected = null)
    {
        if (steps < 1 || order is < 1 or > 3)
            throw new UserException(
                $"UniPC with {steps} steps of order {order}: steps must be positive, the order 1 to 3",
                usage: true
            );
        // the first of the reference's 1000 training levels, in float32
        history = new SolverHistory(steps, 0.999f, shift);
        (this.order, this.uncorrected) = (order, uncorrected ?? []);
    }

    public IReadOnlyList<double> Timesteps => history.Timesteps;

    /// <summary>Levels of the steps and the final 0.</summary>
    public IReadOnlyList<double> Sigmas => history.Sigmas;

    public Tensor Step(Tensor x, Tensor velocity)
    {
        using var scope = torch.NewDisposeScope();
        var clean = x - velocity * history.Sigmas[at];
        if (at > 0 && !uncorrected.Contains(at - 1))
            x = Move(last["sample"]!, at - 1, usedOrder, clean);
        history.Remember(at, clean, order);
        usedOrder = Math.Min(Math.Min(order, history.Timesteps.Length - at), usedOrder + 1);
        last["sample"] = x.clone();
        return Move(x, at++, usedOrder, null).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// From the level of a step to the next: the predictor reads predictions of this step and order - 1 before it,
    /// the corrector also the one at the goal.
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
        var n = r.Length;
        if (n < 2)
            return [.. r.Select(_ => 0.5)];
        var b = new double[n];
        var (phi, factorial, all) = (Phi1(h) - 1, 1.0, Math.Exp(h) - 1);
        for (var j = 0; j < n; j++)
        {
            b[j] = phi * factorial / all;
            factorial *= j + 2;
            phi = phi / h - 1 / factorial;
        }
        // Elimination without exchange of rows: the nodes differ, so no pivot vanishes.
        var m = new double[n, n];
        for (var j = 0; j < n; j++)
        for (var k = 0; k < n; k++)
            m[j, k] = Math.Pow(r[k], j);
        for (var p = 0; p < n; p++)
        for (var j = p + 1; j < n; j++)
        {
            var factor = m[j, p] / m[p, p];
            for (var k = p; k < n; k++)
                m[j, k] -= factor * m[p, k];
            b[j] -= factor * b[p];
        }
        for (var p = n - 1; p >= 0; p--)
        {
            for (var k = p + 1; k < n; k++)
                b[p] -= m[p, k] * b[k];
            b[p] /= m[p, p];
        }
        return b;

        static double Phi1(double h) => (Math.Exp(h) - 1) / h;
    }

    public void Dispose()
    {
        history.Dispose();
        last.Dispose();
    }
}
