namespace LongTake.Diffusion;

/// <summary>Samplers over a velocity function (x_t, timestep) -> v. Latents [B, C, T, H, W], float32.</summary>
public static class Sampling
{
    /// <summary>A velocity: latents and timestep (1000 sigma) in, v out.</summary>
    public delegate Tensor Velocity(Tensor x, double timestep);

    /// <summary>
    /// The few-step sampler of distribution-matched students: predict x0, then renoise with fresh noise to the next
    /// level. <paramref name="noise"/> is called once for the start and once before each later step.
    /// </summary>
    public static Tensor FewStep(
        Velocity velocity,
        Func<Tensor> noise,
        IReadOnlyList<double> timesteps,
        Action<int>? step = null
    )
    {
        using var outer = torch.NewDisposeScope();
        var x = noise();
        for (var i = 0; i < timesteps.Count; i++)
        {
            using var scope = torch.NewDisposeScope();
            var sigma = timesteps[i] / 1000;
            var clean = x.add(velocity(x, timesteps[i]), -sigma);
            var next = i + 1 == timesteps.Count ? clean : clean.lerp(noise(), timesteps[i + 1] / 1000);
            x.Dispose();
            x = next.MoveToOuterDisposeScope();
            step?.Invoke(i + 1);
        }
        return x.MoveToOuterDisposeScope();
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
