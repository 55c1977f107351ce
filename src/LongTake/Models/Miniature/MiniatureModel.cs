using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Models.Miniature;

/// <summary>
/// A small family for one picture size: Wan's blocks with axial attention, patch and output weights of their own for
/// every token of a frame, preconditioning by x_t, and an autoencoder with a linear path.
/// </summary>
public sealed class MiniatureModel : WanModel
{
    private readonly WanConfig c;
    private readonly WanVaeConfig vae;
    private readonly MiniatureConfig own;
    private readonly ModelConfig config;

    public MiniatureModel(ModelConfig config)
        : base(config.Wan, config.Vae)
    {
        (this.config, c, vae, own) = (config, config.Wan, config.Vae, config.Miniature ?? new());
        Attention = AttentionPattern.Axial(c.Heads, c.HeadDim);
    }

    public override LatentGeometry Geometry => base.Geometry with { FixedSize = true };

    public override int Longest => own.AbsoluteTimeBeyond > 0 ? config.VideoLatents : 0;

    public override AttentionPattern Attention { get; }

    public override IEmbedding Embedding(Weights w, ScalarType compute) =>
        new WanEmbedding(
            w,
            c,
            new MiniaturePatches(w, c, own, config.VideoLatents, compute, Shared),
            Attention,
            compute
        );

    public override IOutput Output(Weights w) => new MiniatureOutput(w, c, own.Tokens, Shared);

    public override VideoAutoencoder Autoencoder(Weights w, ScalarType? compute = null) =>
        own.Autoencoder switch
        {
            MiniatureVaeKind.WanAndLinear => new MiniatureVae(w, vae, Grid, compute, own.SharedRows),
            MiniatureVaeKind.Linear => new LinearVae(w, vae, Grid, own.SharedRows),
            _ => base.Autoencoder(w, compute),
        };

    // Whatever a causal transformer makes is to it a clip: it sees a window, and is not given its position in the
    // video.
    public override VideoModel Causal() =>
        base.Causal() is not null && own.AbsoluteTimeBeyond == 0
            ? this
            : new MiniatureModel(config with { Miniature = own with { AbsoluteTimeBeyond = 0 } });

    public override IEnumerable<string> Problems()
    {
        foreach (var problem in base.Problems())
            yield return problem;
        if (c.Heads < 2)
            yield return $"wan.heads {c.Heads}: axial attention needs two at least";
        if (c.PatchSize is not [1, > 0 and var down, > 0 and var across])
            yield return "wan.patchSize: the miniature needs a patch of one latent frame";
        else if (own.Tokens != Grid.Height / down * (Grid.Width / across))
            yield return $"miniature.tokens {own.Tokens}: a picture of {config.Width}x{config.Height} has "
                + $"{Grid.Height / down * (Grid.Width / across)} tokens";
    }

    // Tokens of a row, which have the same weights.
    private int Shared => own.SharedRows ? Grid.Width / c.PatchSize[2] : 1;

    private (int Height, int Width) Grid => (config.Height / vae.SpatialStride, config.Width / vae.SpatialStride);
}
