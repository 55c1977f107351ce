namespace LongTake.Diffusion;

/// <summary>
/// Rectified flow in Wan's sign: x_t = (1 - sigma) x0 + sigma noise, v = noise - x0 (the paper's u is -v); sigma 1 is
/// noise. sigma tensors are [B] or [B, T] (one per latent frame), latents [B, C, T, H, W].
/// </summary>
public static class Flow
{
    /// <summary>sigma shaped to multiply latents.</summary>
    public static Tensor Spread(Tensor sigma) =>
        sigma.ndim == 1 ? sigma.reshape(-1, 1, 1, 1, 1) : sigma.reshape(sigma.size(0), 1, sigma.size(1), 1, 1);

    /// <summary>x_t (MMM eq. 1).</summary>
    public static Tensor Noisy(Tensor x0, Tensor noise, Tensor sigma) =>
        x0 * (1 - Spread(sigma)) + noise * Spread(sigma);

    /// <summary>The regression target v = noise - x0 (MMM eq. 3 in Wan's sign).</summary>
    public static Tensor Target(Tensor x0, Tensor noise) => noise - x0;

    /// <summary>x0 = x_t - sigma v.</summary>
    public static Tensor Clean(Tensor xt, Tensor velocity, Tensor sigma) => xt - velocity * Spread(sigma);

    /// <summary>
    /// Mean squared error of a velocity (MMM eq. 14): one number. Samples count by <paramref name="weight"/> [B].
    /// </summary>
    public static Tensor Loss(Tensor velocity, Tensor x0, Tensor noise, Tensor? weight = null)
    {
        var squared = (velocity - Target(x0, noise)).square();
        return weight is null ? squared.mean() : (squared * Spread(weight)).mean();
    }

    /// <summary>
    /// Guidance in the standard convention, uncond + w (cond - uncond): w = 1 is the conditional prediction alone. The
    /// training code of CausVid, Self-Forcing and LongLive writes cond + g (cond - uncond) instead, which is one off: w
    /// = g + 1, their 3.0 is 4.0 here. It holds for velocities and for x0 predictions, which are affine in one another.
    /// </summary>
    public static Tensor Guide(Tensor conditional, Tensor unconditional, double w) =>
        unconditional + (conditional - unconditional) * w;
}
