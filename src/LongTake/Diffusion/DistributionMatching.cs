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
    /// Distribution matching of samples x [B, C, T, H, W] at levels sigma [B]: both score networks are asked, without a graph, for the clean
    /// prediction of the same noisy x; the loss is <see cref="Surrogate"/>. Also mean |fake - real| over mean |x - real|, the critic's gap.
    /// </summary>
    public static (Tensor Loss, double Gap) Match(Tensor x, Tensor noise, Tensor sigma, Func<Tensor, Tensor> real, Func<Tensor, Tensor> fake, Tensor? mask = null)
    {
        Tensor gradient;
        double gap;
        using (GradMode.Off())
        {
            var (still, noisy) = (x.Detach(), Flow.Noisy(x.Detach(), noise, sigma));
            var (r, f) = (real(noisy), fake(noisy));
            gradient = Gradient(still, r, f);
            gap = (Mean(Abs(f - r)) / Mean(Normaliser(still, r))).Scalar();
        }
        return (Surrogate(x, gradient, mask), gap);
    }

    /// <summary>
    /// The same by score identity (SiD): mean (r - f) ((r - x) - alpha (r - f)) / mean |x - r|, with gradients through both score networks to
    /// x. alpha 1 is (r - f) (f - x). Reference: Self-Forcing model/sid.py.
    /// </summary>
    public static (Tensor Loss, double Gap) ScoreIdentity(Tensor x, Tensor noise, Tensor sigma, Func<Tensor, Tensor> real, Func<Tensor, Tensor> fake, Tensor? mask = null,
        double alpha = 1)
    {
        var noisy = Flow.Noisy(x, noise, sigma);
        var (r, f) = (real(noisy), fake(noisy));
        var normaliser = Normaliser(x, r).Detach();
        var terms = NanToNum((r - f) * ((r - x) - (r - f) * alpha) / normaliser);
        var weight = mask?.Expand(terms.Shape);
        return (weight is null ? Mean(terms) : Sum(terms * weight) / Sum(weight), (Mean(Abs(f - r)) / Mean(normaliser)).Scalar());
    }

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
