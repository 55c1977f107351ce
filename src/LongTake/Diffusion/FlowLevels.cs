namespace LongTake.Diffusion;

/// <summary>How noise levels are drawn for flow matching, before they are shifted.</summary>
public enum LevelSampling
{
    /// <summary>The logistic function of a standard normal number: most at middle levels.</summary>
    LogitNormal,

    /// <summary>Uniform.</summary>
    Uniform,
}

/// <summary>How much the loss at a noise level counts in flow matching.</summary>
public enum LevelWeighting
{
    /// <summary>All levels alike.</summary>
    None,

    /// <summary>
    /// As Self-Forcing trains (<see cref="FlowTable.TrainingWeights"/>): most at middle levels, nothing at the
    /// noisiest. The mean weight is 1 where levels are drawn uniformly.
    /// </summary>
    Bump,
}

/// <summary>The noise levels of flow matching: drawn, shifted (<see cref="Times.Shift"/>), weighted.</summary>
public sealed class FlowLevels(
    double shift,
    LevelSampling sampling = LevelSampling.LogitNormal,
    LevelWeighting weighting = LevelWeighting.None
)
{
    private readonly FlowTable? table = weighting == LevelWeighting.Bump ? new(shift) : null;
    private double[]? weights;

    /// <summary>A level.</summary>
    public double Draw(Rng random) =>
        Times.Shift(sampling == LevelSampling.Uniform ? random.Uniform() : 1 / (1 + Math.Exp(-random.Normal())), shift);

    /// <summary>How much the loss at a level counts.</summary>
    public double Weight(double sigma) =>
        table is null ? 1 : (weights ??= table.TrainingWeights())[table.Nearest(1000 * sigma)];

    /// <summary>
    /// Latents x0 [B, C, T, H, W] noised to a level each: x_t, the levels [B], the noise, and the weights [B] (null
    /// when all are 1).
    /// </summary>
    public (Tensor Noisy, Tensor Sigma, Tensor Noise, Tensor? Weight) Noise(Tensor x0, Rng random)
    {
        float[] levels = [.. Enumerable.Range(0, (int)x0.size(0)).Select(_ => (float)Draw(random))];
        using var g = new torch.Generator((ulong)random.Seed());
        var (sigma, noise) = (
            Tensor.From<float>(levels).to(x0.device),
            torch.randn(x0.shape, generator: g).to(x0.device)
        );
        var weight = table is null ? null : Tensor.From<float>([.. levels.Select(l => (float)Weight(l))]).to(x0.device);
        return (Flow.Noisy(x0, noise, sigma), sigma, noise, weight);
    }
}
