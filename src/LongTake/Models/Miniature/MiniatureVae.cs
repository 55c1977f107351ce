using LongTake.Models.Wan;

namespace LongTake.Models.Miniature;

/// <summary>
/// Wan's autoencoder with a linear path beside it, for latents of one height and width. The convolutions, whose last
/// layers start at zero, learn only what the linear path leaves.
/// </summary>
public sealed class MiniatureVae(
    Weights w,
    WanVaeConfig c,
    (int Height, int Width) grid,
    ScalarType? compute = null,
    bool sharedRows = false
) : WanVae(w, c, compute, startAtZero: true)
{
    private readonly LinearPath linear = new(w / "linear", c, grid, sharedRows);

    public override LatentGeometry Geometry => base.Geometry with { FixedSize = true };

    public override bool HasFittedPart => true;

    /// <summary>Fits the linear path to videos [B, 3, F, H, W].</summary>
    public override void Fit(Tensor video) => linear.Fit(video);

    protected override Tensor Encoded(Tensor moments, Tensor video, bool first)
    {
        var z = Config.ZDim;
        return torch.cat([moments.narrow(1, 0, z) + linear.Encode(video, first), moments.narrow(1, z, z)], 1);
    }

    protected override Tensor Decoded(Tensor frames, Tensor latents, bool first) =>
        frames + linear.Decode(latents, first);
}
