using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Models.Miniature;

/// <summary>
/// An option of the miniature's autoencoder: principal components of each block of pixels (one basis per place in the
/// picture, another for the single frame of the first latent) run beside the convolutions, which then learn only what
/// is left. Fitted in closed form, not by descent. Channel deviations are the square roots of the components'
/// (half-whitened), mean square 1 over all.
/// </summary>
internal sealed class LinearPath(Weights w, WanVaeConfig c, (int Height, int Width) grid, bool sharedRows = false)
{
    private readonly (Tensor Basis, Tensor Scale, Tensor Mean) image = Parameters(w / "image", c, grid, sharedRows, 1);
    private readonly (Tensor Basis, Tensor Scale, Tensor Mean) chunk = Parameters(
        w / "chunk",
        c,
        grid,
        sharedRows,
        c.TemporalStride
    );

    private static (Tensor, Tensor, Tensor) Parameters(
        Weights w,
        WanVaeConfig c,
        (int Height, int Width) grid,
        bool sharedRows,
        int frames
    )
    {
        var size = 3 * frames * c.SpatialStride * c.SpatialStride;
        var bases = sharedRows ? grid.Height : grid.Height * grid.Width;
        return (
            w.Parameter("basis", [bases, size, c.ZDim]),
            w.Parameter("scale", [bases, 1, c.ZDim], mean: 1),
            w.Parameter("mean", [grid.Height * grid.Width, 1, size])
        );
    }

    /// <summary>
    /// Video [B, 3, F, H, W] to the linear part of the latents [B, Z, T, h, w]; <paramref name="first"/> tells whether
    /// it begins with the video's first frame.
    /// </summary>
    public Tensor Encode(Tensor video, bool first)
    {
        if (!first)
            return Project(chunk, video, c.TemporalStride);
        var frame = Project(image, video.narrow(2, 0, 1), 1);
        var rest = video.size(2) - 1;
        return rest == 0 ? frame : torch.cat([frame, Project(chunk, video.narrow(2, 1, rest), c.TemporalStride)], 2);
    }

    /// <summary>
    /// Latents to the linear part of the frames; <paramref name="first"/> tells whether the first of them is an image
    /// latent.
    /// </summary>
    public Tensor Decode(Tensor latents, bool first)
    {
        var count = latents.size(2);
        if (!first)
            return Restore(chunk, latents, c.TemporalStride);
        var frame = Restore(image, latents.narrow(2, 0, 1), 1);
        return count == 1
            ? frame
            : torch.cat([frame, Restore(chunk, latents.narrow(2, 1, count - 1), c.TemporalStride)], 2);
    }

    private Tensor Project((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor video, int frames)
    {
        var (b, _, f, h, wide) = video;
        // The places of a basis are one batch of products.
        var centred = (Blocks(video, frames) - p.Mean.to(ScalarType.Float32)).reshape(
            p.Basis.size(0),
            -1,
            p.Basis.size(1)
        );
        var z = centred.matmul(p.Basis.to(ScalarType.Float32)) * p.Scale.to(ScalarType.Float32);
        var s = c.SpatialStride;
        return z.reshape(h / s, wide / s, b, f / frames, c.ZDim).permute(2, 4, 3, 0, 1);
    }

    private Tensor Restore((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor latents, int frames)
    {
        var (b, z, t, h, wide) = latents;
        if (h * wide != p.Mean.size(0))
            throw new UserException(
                $"this autoencoder's linear path is for latents of {grid.Height}x{grid.Width}, "
                    + $"these are {h}x{wide}"
            );
        var s = c.SpatialStride;
        var scaled = latents.permute(3, 4, 0, 2, 1).reshape(p.Basis.size(0), -1, z) / p.Scale.to(ScalarType.Float32);
        var x =
            scaled.matmul(p.Basis.to(ScalarType.Float32).transpose(1, 2)).reshape(h * wide, b * t, -1)
            + p.Mean.to(ScalarType.Float32);
        return x.reshape([h, wide, b, t, 3, frames, s, s])
            .permute(2, 4, 3, 5, 0, 6, 1, 7)
            .reshape(b, 3, t * frames, h * s, wide * s);
    }

    /// <summary>[B, 3, F, H, W] -> [places, B * F/frames, 3 * frames * s * s].</summary>
    private Tensor Blocks(Tensor video, int frames)
    {
        var s = c.SpatialStride;
        var (b, _, f, h, wide) = video;
        if (h / s * (wide / s) != grid.Height * grid.Width)
            throw new UserException(
                $"this autoencoder's linear path is for {grid.Width * s}x{grid.Height * s} pictures, "
                    + $"this video is {wide}x{h}"
            );
        return video
            .reshape([b, 3, f / frames, frames, h / s, s, wide / s, s])
            .permute(4, 6, 0, 2, 1, 3, 5, 7)
            .reshape(h / s * (wide / s), b * (f / frames), 3 * frames * s * s);
    }

    /// <summary>
    /// Fits bases to videos [B, 3, F, H, W] and puts them into the parameters. On the CPU: the signs of a basis are
    /// arbitrary, and would be others on another device.
    /// </summary>
    public void Fit(Tensor video)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        video = video.cpu();
        var frames = Blocks(video.transpose(1, 2).reshape(-1, 3, 1, video.size(3), video.size(4)), 1);
        Fit(image, frames, c.ZDim);
        frames.Dispose();
        Fit(chunk, Blocks(video.narrow(2, 1, video.size(2) - 1), c.TemporalStride), c.ZDim);
    }

    // Basis by basis, for the blocks of all of them are large.
    private static void Fit((Tensor Basis, Tensor Scale, Tensor Mean) p, Tensor blocks, int count)
    {
        var bases = p.Basis.size(0);
        var places = blocks.size(0) / bases;
        for (var i = 0; i < bases; i++)
        {
            using var scope = torch.NewDisposeScope();
            var own = blocks.narrow(0, i * places, places);
            var mean = own.mean([1], keepdim: true);
            var covariance = torch.zeros([1, own.size(2), own.size(2)]);
            for (var place = 0; place < places; place++)
            {
                var centred = own.narrow(0, place, 1) - mean.narrow(0, place, 1);
                covariance += centred.transpose(1, 2).matmul(centred) / (own.size(1) * places);
                centred.Dispose();
            }
            var (values, basis) = Components(covariance, count);
            var variance = values.clamp_min(1e-6);
            var scale = variance.pow(-0.25); // std s -> sqrt(s)
            scale = scale * variance.sqrt().mean().rsqrt();
            p.Mean.narrow(0, i * places, places).copy_(mean);
            p.Basis.narrow(0, i, 1).copy_(basis);
            p.Scale.narrow(0, i, 1).copy_(scale.unsqueeze(1));
        }
    }

    /// <summary>
    /// The largest eigenvalues of symmetric matrices [n, size, size], descending, and their vectors [n, size, count].
    /// All of them take a minute a matrix of 3,072; so beyond 1,024 only the span of the largest is looked for, by
    /// repeated products with some more vectors than are wanted.
    /// </summary>
    internal static (Tensor Values, Tensor Vectors) Components(Tensor matrices, int count)
    {
        var size = matrices.size(1);
        if (size <= 1024)
            return Largest(matrices, count);
        using var g = new torch.Generator(1);
        var span = torch.randn([matrices.size(0), size, Math.Min(size, count + 32)], generator: g);
        for (var i = 0; i < 12; i++)
            span = torch.linalg.qr(matrices.matmul(span)).Q;
        var (values, vectors) = Largest(span.transpose(1, 2).matmul(matrices).matmul(span), count);
        return (values, span.matmul(vectors));
    }

    private static (Tensor Values, Tensor Vectors) Largest(Tensor matrices, int count)
    {
        var (values, vectors) = torch.linalg.eigh(matrices); // ascending
        var first = values.size(1) - count;
        return (values.narrow(1, first, count).flip(1), vectors.narrow(2, first, count).flip(2));
    }
}
