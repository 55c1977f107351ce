namespace LongTake.Generation;

/// <summary>
/// Latents to make between others that are known. Known latents are put back at every step, noised to its level. Next
/// to them may lie a transition, whose latents lean towards what is given without being held.
/// </summary>
/// <param name="Given">The window [1, C, T, h, w]: known latents, and what the latents of a transition lean towards;
/// anything where latents are free.</param>
/// <param name="Hold">[1, 1, T, 1, 1]: 1 for known latents, 0 for free ones, between them in a transition.</param>
/// <param name="Frame">The frame [1, 3, 1, H, W] that the window begins with, where it begins inside a video.</param>
public sealed record Filling(Tensor Given, Tensor Hold, Tensor? Frame = null)
{
    /// <summary>Known latents at the beginning.</summary>
    public int Leading => Hold.flatten().ToArray<float>().TakeWhile(h => h == 1).Count();

    /// <summary>Clean latents with the known ones in their place; lerp gives those without a rounding.</summary>
    internal Tensor Put(Tensor clean) => clean.lerp(Given, Hold);

    /// <summary>
    /// The input of a step with many others after it, in place: known latents at the step's level, and those of a
    /// transition too while the level is above what their hold leaves free (Differential Diffusion, arXiv 2306.00950).
    /// </summary>
    internal void Put(Tensor x, Tensor noise, double sigma) =>
        x.copy_(torch.where(Hold.gt(1 - sigma), Given.lerp(noise, sigma), x));
}

/// <summary>
/// Keeps what a sampler has finished, so that one that was cut off goes on: the velocity of every step, or of samplers
/// that look back only every block.
/// </summary>
public interface IStepStore
{
    /// <summary>What was kept under a number, in the current scope; null when nothing was.</summary>
    Tensor? Read(int step);

    /// <summary>Keeps a tensor under the next number.</summary>
    void Write(int step, Tensor value);
}
