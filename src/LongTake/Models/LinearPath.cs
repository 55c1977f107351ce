namespace LongTake.Models;

/// <summary>
/// An option of the miniature's autoencoder: principal components of each block of pixels (one basis per place in the picture,
/// another for the single frame of the first latent) run beside the convolutions, which then learn only what is left. Fitted in
/// closed form, not by descent. Channel deviations are the square roots of the components' (half-whitened), mean square 1 over all.
/// </summary>
internal sealed class LinearPath(Weights w, WanVaeConfig c)
{
    private readonly (Tensor Basis, Tensor Scale, Tensor Mean) image = Parameters(w / "image", c, 1);
    private readonly (Tensor Basis, Tensor Scale, Tensor Mean) chunk = Parameters(w / "chunk", c, c.TemporalStride);

    private static (Tensor, Tensor, Tensor) Parameters(Weights w, WanVaeConfig c, int frames)
    {
        var (places, size) = (c.LinearGrid![0] * c.LinearGrid[1], 3 * frames * c.SpatialStride * c.SpatialStride);
        return (w.Parameter("basis", [places, size, c.ZDim]), w.Parameter("scale", [places, 1, c.ZDim], mean: 1), w.Parameter("mean", [places, 1, size]));
    }

    /// <summary>Video [B, 3, F, H, W] to the linear part of the latents [B, Z, T, h, w]; <paramref name="first"/> tells whether it begins with the film's first frame.</summary>
    public Tensor Encode(Tensor video, bool first)
    {
        if (!first) return Project(chunk, video, c.TemporalStride);
        var frame = Project(image, Narrow(video, 2, 0, 1), 1);
        var rest = video.Size(2) - 1;
        return rest == 0 ? frame : Cat([frame, Project(chunk, Narrow(video, 2, 1, rest), c.TemporalStride)], 2);
    }

    /// <summary>Latents to the linear part of the frames; <paramref name="first"/> tells whether the first of them is an image latent.</summary>
    public Tensor Decode(Tensor latents, bool first)
    {
        var count = latents.Size(2);
        if (!first) return Restore(chunk, latents, c.TemporalStride);
        var frame = Restore(image, Narrow(latents, 2, 0, 1), 1);
        return count == 1 ? frame : Cat([frame, Restore(chunk, Narrow(latents, 2, 1, count - 1), c.TemporalStride)], 2);
    }

    private Tensor Project((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor video, int frames)
    {
        var (b, _, f, h, wide) = video;
        var z = MatMul(Blocks(video, frames) - p.Mean.To(Dtype.F32), p.Basis.To(Dtype.F32)) * p.Scale.To(Dtype.F32);
        var s = c.SpatialStride;
        return z.Reshape(h / s, wide / s, b, f / frames, c.ZDim).Permute(2, 4, 3, 0, 1);
    }

    private Tensor Restore((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor latents, int frames)
    {
        var (b, z, t, h, wide) = latents;
        if (h * wide != p.Basis.Size(0))
            throw new UserException($"this autoencoder's linear path is for latents of {c.LinearGrid![0]}x{c.LinearGrid[1]}, these are {h}x{wide}");
        var s = c.SpatialStride;
        var x = MatMul(latents.Permute(3, 4, 0, 2, 1).Reshape(h * wide, b * t, z) / p.Scale.To(Dtype.F32), p.Basis.To(Dtype.F32).Transpose(1, 2)) + p.Mean.To(Dtype.F32);
        return x.Reshape([h, wide, b, t, 3, frames, s, s]).Permute(2, 4, 3, 5, 0, 6, 1, 7).Reshape(b, 3, t * frames, h * s, wide * s);
    }

    /// <summary>[B, 3, F, H, W] -> [places, B * F/frames, 3 * frames * s * s].</summary>
    private Tensor Blocks(Tensor video, int frames)
    {
        var s = c.SpatialStride;
        var (b, _, f, h, wide) = video;
        if (h / s * (wide / s) != c.LinearGrid![0] * c.LinearGrid[1])
            throw new UserException($"this autoencoder's linear path is for {c.LinearGrid[1] * s}x{c.LinearGrid[0] * s} pictures, this video is {wide}x{h}");
        return video.Reshape([b, 3, f / frames, frames, h / s, s, wide / s, s]).Permute(4, 6, 0, 2, 1, 3, 5, 7)
            .Reshape(h / s * (wide / s), b * (f / frames), 3 * frames * s * s);
    }

    /// <summary>Fits bases to videos [B, 3, F, H, W] and puts them into the parameters.</summary>
    public void Fit(Tensor video)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        Fit(image, Blocks(video.Transpose(1, 2).Reshape(-1, 3, 1, video.Size(3), video.Size(4)), 1));
        Fit(chunk, Blocks(Narrow(video, 2, 1, video.Size(2) - 1), c.TemporalStride));
    }

    private void Fit((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor blocks)
    {
        var mean = Mean(blocks, [1], keepdim: true);
        var centred = blocks - mean;
        var (values, vectors) = EigenSymmetric(MatMul(centred.Transpose(1, 2), centred) / blocks.Size(1));   // ascending
        var size = values.Size(1);
        var basis = Flip(Narrow(vectors, 2, size - c.ZDim, c.ZDim), 2);
        var variance = ClampMin(Flip(Narrow(values, 1, size - c.ZDim, c.ZDim), 1), 1e-6);
        var scale = Pow(variance, -0.25);                                     // deviation s -> sqrt(s)
        scale = scale * Rsqrt(Mean(Sqrt(variance)));
        Copy_(p.Mean, mean);
        Copy_(p.Basis, basis);
        Copy_(p.Scale, scale.Unsqueeze(1));
    }
}
