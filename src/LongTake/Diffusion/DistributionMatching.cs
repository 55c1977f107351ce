namespace LongTake.Diffusion;

/// <summary>
/// The reverse-KL gradient of distribution matching (DMD; MMM eq. 9) in x0 space, where no sign can go wrong: toward the
/// teacher, away from the fake score. Reference: Self-Forcing model/dmd.py.
/// </summary>
public static class DistributionMatching
{
    /// <summary>
    /// g = (fake - real) / mean |x - real|, the mean over all but the batch; NaN becomes 0. All [B, C, T, H, W], x detached.
    /// </summary>
    public static Tensor Gradient(Tensor x, Tensor real, Tensor fake) => NanToNum((fake - real) / Normaliser(x, real));

    /// <summary>mean |x - real| per sample, [B, 1, 1, 1, 1].</summary>
    public static Tensor Normaliser(Tensor x, Tensor real) => Mean(Abs(x - real), [1, 2, 3, 4], keepdim: true);

    /// <summary>
    /// A loss whose gradient with respect to x is the given one / number of elements: 0.5 mean (x - sg(x - g))^2. With a mask
    /// (1 = counts, broadcastable) the mean is over what counts.
    /// </summary>
    public static Tensor Surrogate(Tensor x, Tensor gradient, Tensor? mask = null)
    {
        var squared = Square(x - (x - gradient).Detach());
        if (mask is null) return Mean(squared) * 0.5;
        var weight = mask.Expand(squared.Shape);
        return Sum(squared * weight) / Sum(weight) * 0.5;
    }
}
