namespace LongTake.Diffusion;

/// <summary>Samplers over a velocity function (x_t, timestep) -> v. Latents [B, C, T, H, W], float32.</summary>
public static class Sampling
{
    /// <summary>A velocity: latents and timestep (1000 sigma) in, v out.</summary>
    public delegate Tensor Velocity(Tensor x, double timestep);

    /// <summary>
    /// The few-step loop of distribution-matched students, in sampling and in training: predict x0, then noise it again
    /// to the next level. Starts from <paramref name="x"/> at the first timestep, which it frees, and returns the clean
    /// prediction of step <paramref name="exit"/> (null is the last). Only that step records a graph, where the caller
    /// records one. <paramref name="noise"/> is called once before each later step.
    /// </summary>
    /// <param name="velocity">Asked once a step.</param>
    /// <param name="table">Gives the levels of the timesteps; null takes 1 / 1000 of each.</param>
    /// <param name="step">Gets the index and the clean prediction of each step.</param>
    /// <param name="put">Gives what takes the place of a clean prediction, before it is noised again.</param>
    public static Tensor FewStep(
        Velocity velocity,
        Tensor x,
        Func<long[], Tensor> noise,
        IReadOnlyList<double> timesteps,
        FlowTable? table = null,
        int? exit = null,
        Action<int, Tensor>? step = null,
        Func<Tensor, Tensor>? put = null
    )
    {
        var last = exit ?? timesteps.Count - 1;
        for (var i = 0; ; i++)
        {
            using var scope = torch.NewDisposeScope();
            using var off = i < last ? torch.no_grad() : null;
            var clean = Clean(x, velocity(x, timesteps[i]), timesteps[i]);
            if (put is not null)
                clean = put(clean);
            step?.Invoke(i, clean);
            var next = i == last ? clean : Noisy(clean, noise(clean.shape), timesteps[i + 1]);
            x.Dispose();
            x = next.MoveToOuterDisposeScope();
            if (i == last)
                return x;
        }

        Tensor Clean(Tensor noisy, Tensor v, double t) =>
            table?.Clean(noisy, v, torch.full([noisy.size(0)], t)) ?? noisy.add(v, -t / 1000);
        Tensor Noisy(Tensor clean, Tensor fresh, double t) =>
            table?.Noisy(clean, fresh, torch.full([clean.size(0)], t)) ?? clean.lerp(fresh, t / 1000);
    }

    /// <summary>A many-step sampler from noise to data; the noise stays as it is.</summary>
    public static Tensor Solve(IFlowSolver solver, Velocity velocity, Tensor noise, Action<int>? step = null)
    {
        using var outer = torch.NewDisposeScope();
        var x = noise.clone();
        for (var i = 0; i < solver.Timesteps.Count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var next = solver.Step(x, velocity(x, solver.Timesteps[i]));
            x.Dispose();
            x = next.MoveToOuterDisposeScope();
            step?.Invoke(i + 1);
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Euler steps along dx = v d sigma from noise (sigma 1) to 0.</summary>
    public static Tensor Euler(Velocity velocity, Tensor noise, IReadOnlyList<double> sigmas, Action<int>? step = null)
    {
        using var solver = new EulerSolver(sigmas);
        return Solve(solver, velocity, noise, step);
    }

    /// <summary>
    /// Makes a velocity guided: two calls and <see cref="Flow.Guide"/>; w = 1 needs the conditional call alone.
    /// </summary>
    public static Velocity Guided(Velocity conditional, Velocity unconditional, double w) =>
        (x, t) => w == 1 ? conditional(x, t) : Flow.Guide(conditional(x, t), unconditional(x, t), w);
}
