using LongTake.Models.Wan;

namespace LongTake.Models.Miniature;

/// <summary>
/// The autoencoder of a world of small pictures: principal components of blocks of pixels, fitted in closed form. A
/// latent says all about its own frames, so nothing is carried from pass to pass.
/// </summary>
public sealed class LinearVae(Weights w, WanVaeConfig config, (int Height, int Width) grid, bool sharedRows = false)
    : VideoAutoencoder
{
    private const int AtOnce = 32; // latents

    private readonly WanVaeConfig c = config.Checked();
    private readonly LinearPath linear = new(w / "linear", config, grid, sharedRows);

    public override torch.Device Device { get; } = w.Device;

    public override LatentGeometry Geometry => c.Geometry with { WarmUp = 0, FixedSize = true };

    public override bool HasFittedPart => true;

    public override void Fit(Tensor video) => linear.Fit(video);

    public override Tensor Encode(Tensor video, int chunk = 1)
    {
        using var scope = torch.NewDisposeScope();
        c.RequireWhole(video);
        return c.Normalised(Whole(video)).MoveToOuterDisposeScope();
    }

    // A few seconds at a time, whose copies stay in the caches.
    private Tensor Whole(Tensor video)
    {
        var parts = new List<Tensor>();
        for (long at = 0, count; at < video.size(2); at += count)
        {
            count = Math.Min(AtOnce * c.TemporalStride + (at == 0 ? 1 : 0), video.size(2) - at);
            parts.Add(linear.Encode(video.narrow(2, at, count).to(ScalarType.Float32), first: at == 0));
        }
        return parts.Count == 1 ? parts[0] : torch.cat([.. parts], 2);
    }

    public override Tensor EncodeStep(Tensor video, AutoencoderCache cache)
    {
        using var scope = torch.NewDisposeScope();
        var z = linear.Encode(video.to(ScalarType.Float32), cache.First);
        cache.First = false;
        return c.Normalised(z).MoveToOuterDisposeScope();
    }

    /// <summary>Means of the posterior, and log variances of almost nothing: there is no noise in it.</summary>
    public override Tensor Moments(Tensor video, int chunk = 1)
    {
        using var scope = torch.NewDisposeScope();
        c.RequireWhole(video);
        var z = Whole(video);
        return torch.cat([z, torch.full_like(z, -20)], 1).MoveToOuterDisposeScope();
    }

    public override Tensor Decode(Tensor latents, int chunk = 1, bool clamp = true)
    {
        if (chunk == 0)
            return Frames(latents, true, clamp);
        using var scope = torch.NewDisposeScope();
        var parts = latents.split(chunk, 2).Select((part, i) => Frames(part, i == 0, clamp));
        return torch.cat([.. parts], 2).MoveToOuterDisposeScope();
    }

    public override Tensor DecodeStep(Tensor latents, AutoencoderCache cache, bool clamp = true)
    {
        var begins = cache.First;
        cache.First = false;
        return Frames(latents, begins, clamp);
    }

    private Tensor Frames(Tensor latents, bool begins, bool clamp)
    {
        using var scope = torch.NewDisposeScope();
        var frames = linear.Decode(c.Raw(latents), begins);
        return (clamp ? frames.clamp(-1, 1) : frames).MoveToOuterDisposeScope();
    }
}
