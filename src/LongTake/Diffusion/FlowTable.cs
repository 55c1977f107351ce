namespace LongTake.Diffusion;

/// <summary>
/// The noise levels a flow model was trained with, as a table from noise to data: timestep = 1000 sigma, and every
/// look-up takes the nearest entry (the first of two equally near). Its smallest level is not 0: at shift 5 timestep 0
/// means sigma 0.005. Levels are rounded to float32, as the reference holds them. Reference: Self-Forcing,
/// utils/scheduler.py.
/// </summary>
public sealed class FlowTable
{
    /// <summary>1000 levels from 1 down to 1 / 1000, shifted.</summary>
    public FlowTable(double shift)
    {
        if (shift <= 0)
            throw new UserException($"a schedule with shift {shift}: it must be positive", usage: true);
        Sigmas = [.. Enumerable.Range(0, 1000).Select(i => (double)(float)Times.Shift(1 - i / 1000.0, shift))];
        Timesteps = [.. Sigmas.Select(s => (double)(float)(1000 * s))];
    }

    /// <summary>Levels, descending.</summary>
    public double[] Sigmas { get; }

    /// <summary>1000 sigma.</summary>
    public double[] Timesteps { get; }

    /// <summary>
    /// Weight of each level in flow matching: the bump exp(-2 ((t - n/2) / n)^2) over the n levels, less its minimum,
    /// with mean 1.
    /// </summary>
    public double[] TrainingWeights()
    {
        double n = Timesteps.Length;
        var bump = Timesteps.Select(t => Math.Exp(-2 * Math.Pow((t - n / 2) / n, 2))).ToArray();
        var least = bump.Min();
        var sum = bump.Sum(b => b - least);
        return [.. bump.Select(b => (b - least) * n / sum)];
    }

    /// <summary>Index of the entry nearest to a timestep.</summary>
    public int Nearest(double timestep)
    {
        var best = 0;
        for (var i = 1; i < Timesteps.Length; i++)
            if (Math.Abs(Timesteps[i] - timestep) < Math.Abs(Timesteps[best] - timestep))
                best = i;
        return best;
    }

    /// <summary>The level nearest to a timestep.</summary>
    public double Sigma(double timestep) => Sigmas[Nearest(timestep)];

    /// <summary>
    /// Levels nearest to timesteps of any shape, float64 on the CPU. Give timesteps of the CPU: others are waited for.
    /// </summary>
    public Tensor Sigma(Tensor timesteps)
    {
        var levels = timesteps.to(ScalarType.Float64).ToArray<double>().Select(Sigma).ToArray();
        return Tensor.From<double>(levels, timesteps.shape);
    }

    /// <summary>
    /// A few-step list of a model with <paramref name="uniform"/> steps out of 1000, moved into this table: 750 is its
    /// entry 250; 0 stays 0.
    /// </summary>
    public double[] Warp(IEnumerable<double> uniform) =>
        [
            .. uniform.Select(t =>
            {
                var at = (int)Math.Round(1000 - t);
                return at < Timesteps.Length ? Timesteps[at] : 0;
            }),
        ];

    /// <summary>x_t of latents [B, C, T, H, W] at timesteps [B] or [B, T].</summary>
    public Tensor Noisy(Tensor x0, Tensor noise, Tensor timesteps) =>
        Flow.Noisy(x0, noise, Sigma(timesteps).to(x0.dtype).to(x0.device));

    /// <summary>x0 = x_t - sigma v, in float64 inside.</summary>
    public Tensor Clean(Tensor xt, Tensor velocity, Tensor timesteps)
    {
        var wide = ComputeDevice.Widest(xt.device);
        return Flow.Clean(xt.to(wide), velocity.to(wide), Sigma(timesteps).to(wide).to(xt.device)).to(velocity.dtype);
    }

    /// <summary>v = (x_t - x0) / sigma, in float64 inside.</summary>
    public Tensor Velocity(Tensor xt, Tensor x0, Tensor timesteps)
    {
        var wide = ComputeDevice.Widest(xt.device);
        return ((xt.to(wide) - x0.to(wide)) / Flow.Spread(Sigma(timesteps).to(wide).to(xt.device))).to(x0.dtype);
    }
}
