namespace LongTake.Models;

/// <summary>
/// What a pass over some frames leaves for the pass over the next ones. It owns its tensors across scopes; each pass
/// replaces them, so memory stays constant however long the video is.
/// </summary>
public sealed class AutoencoderCache : IDisposable
{
    internal TensorStore Frames { get; } = new();

    /// <summary>True until the first pass has ended.</summary>
    public bool First { get; internal set; } = true;

    /// <summary>Bytes held between passes.</summary>
    public long Bytes => Frames.Bytes;

    /// <summary>Frees the tensors and starts a new video.</summary>
    public void Dispose()
    {
        Frames.Dispose();
        First = true;
    }
}

/// <summary>
/// A causal autoencoder of video. A latent describes as many frames as the temporal stride and what came before them,
/// the first latent one frame. Videos are [B, 3, F, H, W] in [-1, 1], latents [B, C, T, h, w], normalised, in float32.
/// A pass covers <c>chunk</c> latents and hands its cache to the next; chunk 0 is one pass over everything. The values
/// do not depend on it.
/// </summary>
public abstract class VideoAutoencoder
{
    /// <summary>Where its weights are, and what goes in must be.</summary>
    public abstract torch.Device Device { get; }

    /// <summary>Sizes and strides.</summary>
    public abstract LatentGeometry Geometry { get; }

    /// <summary>Video to normalised latents.</summary>
    public abstract Tensor Encode(Tensor video, int chunk = 1);

    /// <summary>
    /// Encodes the next frames of a video: 1 + stride k of them first, then stride k at a time. The latents equal those
    /// of <see cref="Encode"/>; the cache is all that is kept between calls.
    /// </summary>
    public abstract Tensor EncodeStep(Tensor video, AutoencoderCache cache);

    /// <summary>Normalised latents to video, clamped to [-1, 1] unless that is not wanted.</summary>
    public abstract Tensor Decode(Tensor latents, int chunk = 1, bool clamp = true);

    /// <summary>
    /// Decodes the next latents of a video. The frames equal those of <see cref="Decode"/>; the cache is all that is
    /// kept between calls.
    /// </summary>
    public abstract Tensor DecodeStep(Tensor latents, AutoencoderCache cache, bool clamp = true);

    /// <summary>Mean and log variance of the posterior before normalisation, [B, 2 C, T, h, w].</summary>
    public abstract Tensor Moments(Tensor video, int chunk = 1);

    /// <summary>
    /// Whether it has a part that is fitted in closed form instead of trained, and whose channels are normalised by one
    /// standard deviation for all.
    /// </summary>
    public virtual bool HasFittedPart => false;

    /// <summary>Fits that part to videos [B, 3, F, H, W].</summary>
    public virtual void Fit(Tensor video) => throw new InvalidOperationException("this autoencoder is trained only");

    /// <summary>
    /// Latents of a pass over pictures of so many latent pixels: several where pictures are small, because each layer
    /// then has enough to do, and never more at a time than one latent of a 480p video holds.
    /// </summary>
    public static int Chunk(long height, long width) => (int)Math.Max(1, 4096 / (height * width));

    /// <summary>
    /// The frame that latent <paramref name="index"/> ends with, encoded alone as the first latent of a video [B, C, 1,
    /// h, w]: what a window that starts there is conditioned on. Decoding starts <see cref="LatentGeometry.WarmUp"/>
    /// latents earlier, not at the beginning. No gradient.
    /// </summary>
    public Tensor ImageLatent(Tensor latents, long index)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var start = Math.Max(0, index - Geometry.WarmUp);
        var video = Decode(latents.narrow(2, start, index - start + 1));
        return Encode(video.narrow(2, video.size(2) - 1, 1)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// <see cref="ImageLatent"/> of many windows of one video [1, C, T, h, w]: [n, C, 1, h, w], entry i for latent
    /// indices[i]. As many in one pass as are no more than some million pixels. Decodes n (1 + WarmUp) latents, however
    /// long the video.
    /// </summary>
    public Tensor ImageLatents(Tensor latents, IReadOnlyList<long> indices)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var made = new Tensor[indices.Count];
        var g = Geometry;
        var area = latents.size(3) * latents.size(4) * g.SpatialStride * g.SpatialStride;
        var pixels = g.Frames(1 + g.WarmUp) * area;
        foreach (var alike in Enumerable.Range(0, indices.Count).GroupBy(i => Math.Min(indices[i], g.WarmUp)))
        foreach (var part in alike.Chunk((int)Math.Clamp(AtOnce / pixels, 1, indices.Count)))
        {
            var before = part.Select(i => latents.narrow(2, indices[i] - alike.Key, alike.Key + 1));
            var video = Decode(torch.cat([.. before]), pixels <= AtOnce ? 0 : 1);
            var first = Encode(video.narrow(2, video.size(2) - 1, 1));
            for (var b = 0; b < part.Length; b++)
                made[part[b]] = first.narrow(0, b, 1);
            video.Dispose();
        }
        return torch.cat(made).MoveToOuterDisposeScope();
    }

    private const long AtOnce = 1 << 22; // pixels
}
