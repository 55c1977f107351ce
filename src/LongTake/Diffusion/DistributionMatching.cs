namespace LongTake.Diffusion;

/// <summary>
/// The reverse-KL gradient of distribution matching (DMD; MMM eq. 9) in x0 space, where no sign can go wrong: toward
/// the teacher, away from the fake score. Reference: Self-Forcing model/dmd.py.
/// </summary>
public static class DistributionMatching
{
    /// <summary>
    /// g = (fake - real) / mean |x - real|, the mean over all but the batch; NaN becomes 0. All [B, C, T, H, W], x
    /// detached.
    /// </summary>
    public static Tensor Gradient(Tensor x, Tensor real, Tensor fake) =>
        ((fake - real) / Normaliser(x, real)).nan_to_num();

    /// <summary>mean |x - real| per sample, [B, 1, 1, 1, 1].</summary>
    public static Tensor Normaliser(Tensor x, Tensor real) => (x - real).abs().mean([1, 2, 3, 4], keepdim: true);

    /// <summary>
    /// Distribution matching of samples x [B, C, T, H, W] at levels sigma [B]: both score networks are asked, without a
    /// graph, for the clean prediction of the same noisy x; the loss is <see cref="Surrogate"/>. Also mean |fake -
    /// real| over mean |x - real|, the critic's gap.
    /// </summary>
    public static (Tensor Loss, double Gap) Match(
        Tensor x,
        Tensor noise,
        Tensor sigma,
        Func<Tensor, Tensor> real,
        Func<Tensor, Tensor> fake,
        Tensor? mask = null
    )
    {
        Tensor gradient;
        double gap;
        using (torch.no_grad())
        {
            var (still, noisy) = (x.detach(), Flow.Noisy(x.detach(), noise, sigma));
            var (r, f) = (real(noisy), fake(noisy));
            gradient = Gradient(still, r, f);
            gap = ((f - r).abs().mean() / Normaliser(still, r).mean()).Number();
        }
        return (Surrogate(x, gradient, mask), gap);
    }

    /// <summary>
    /// Matching by score identity (SiD): mean (r - f) (f - x) / mean |x - r|, with gradients through both score
    /// networks to x; a critic whose weights shall stay still must not take gradients. Reference: Self-Forcing
    /// model/sid.py.
    /// </summary>
    public static (Tensor Loss, double Gap) ScoreIdentity(
        Tensor x,
        Tensor noise,
        Tensor sigma,
        Func<Tensor, Tensor> real,
        Func<Tensor, Tensor> fake,
        Tensor? mask = null
    )
    {
        var noisy = Flow.Noisy(x, noise, sigma);
        var (r, f) = (real(noisy), fake(noisy));
        var normaliser = Normaliser(x, r).detach();
        var terms = ((r - f) * (f - x) / normaliser).nan_to_num();
        var weight = mask?.expand(terms.shape);
        return (
            weight is null ? terms.mean() : (terms * weight).sum() / weight.sum(),
            ((f - r).abs().mean() / normaliser.mean()).Number()
        );
    }

    /// <summary>
    /// A loss whose gradient with respect to x is the given one / number of elements: 0.5 mean (x - sg(x - g))^2. With
    /// a mask (1 = counts, broadcastable) the mean is over what counts.
    /// </summary>
    public static Tensor Surrogate(Tensor x, Tensor gradient, Tensor? mask = null)
    {
        var squared = (x - (x - gradient).detach()).square();
        if (mask is null)
            return squared.mean() * 0.5;
        var weight = mask.expand(squared.shape);
        return (squared * weight).sum() / weight.sum() * 0.5;
    }
}
