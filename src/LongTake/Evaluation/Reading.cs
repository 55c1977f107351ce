namespace LongTake.Evaluation;

/// <summary>What is read once off the frames of a video of a world, for all metrics.</summary>
/// <param name="seams">Latents that begin a window of the roll-out.</param>
internal abstract class Reading(IReadOnlyCollection<int> seams)
{
    /// <summary>Whole seconds of the video, and its frames.</summary>
    public abstract int Seconds { get; }
    public abstract int Frames { get; }

    /// <summary>Mean change from the frame before, RGB units.</summary>
    public abstract double Change(int frame);

    /// <summary>
    /// Mean change of the picture at the first frame of the latents that begin a window, over that at the first frame
    /// of all others: 1 when the end of a window cannot be seen. To compare first frames with first frames leaves out
    /// what the autoencoder does between latents.
    /// </summary>
    public double? Seam()
    {
        var jumps = Enumerable
            .Range(1, Math.Max(0, (Frames - 1) / 4))
            .ToLookup(latent => seams.Contains(latent), latent => Change(4 * latent - 3));
        return jumps[true].Any() && jumps[false].Any() && jumps[false].Average() is > 0 and var elsewhere
            ? jumps[true].Average() / elsewhere
            : null;
    }
}
