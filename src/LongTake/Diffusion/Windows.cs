namespace LongTake.Diffusion;

/// <summary>Where windows may start.</summary>
public enum WindowSampling
{
    /// <summary>At any latent, equally likely.</summary>
    Uniform,

    /// <summary>One window behind the other, the last one moved back so that it ends with the video.</summary>
    Strided,

    /// <summary>The last window alone.</summary>
    Last,
}

/// <summary>
/// Windows of a long latent video, as long as the clips that the teacher knows. A window that starts inside the video
/// has its first latent re-made as an image latent, because the teacher only knows videos that begin with one (MMM,
/// boundary handling).
/// </summary>
public static class Windows
{
    /// <summary>
    /// Start of a window of <paramref name="length"/> latents: 0 with probability <paramref name="first"/> (the only
    /// window that reaches latents 0 and 1), else by <paramref name="sampling"/>.
    /// </summary>
    public static int DrawStart(
        Rng random,
        int total,
        int length,
        double first,
        WindowSampling sampling = WindowSampling.Uniform
    ) =>
        random.Uniform() < first
            ? 0
            : sampling switch
            {
                WindowSampling.Strided => Math.Min(total - length, length * random.Int((total + length - 1) / length)),
                WindowSampling.Last => total - length,
                _ => random.Int(total - length + 1),
            };

    /// <summary>
    /// The window from <paramref name="start"/> of video [1, C, T, H, W]: a plain crop at 0, else the image latent
    /// [1, C, 1, H, W] (detached) followed by the video's latents start+1 ...
    /// </summary>
    public static Tensor Crop(Tensor video, int start, int length, Tensor? imageLatent)
    {
        if (start == 0)
            return video.narrow(2, 0, length);
        if (imageLatent is null)
            throw new ArgumentNullException(
                nameof(imageLatent),
                "a window inside the video needs its first latent as an image latent"
            );
        return torch.cat([imageLatent.detach(), video.narrow(2, start + 1, length - 1)], 2);
    }

    /// <summary>
    /// 1 where a window's latents carry gradient: all at start 0, all but the first elsewhere. [B, 1, T, 1, 1].
    /// </summary>
    public static Tensor Mask(ReadOnlySpan<int> starts, int length)
    {
        var mask = new float[starts.Length * length];
        for (var b = 0; b < starts.Length; b++)
        for (var t = 0; t < length; t++)
            mask[b * length + t] = starts[b] > 0 && t == 0 ? 0 : 1;
        return Tensor.From<float>(mask, starts.Length, 1, length, 1, 1);
    }
}
