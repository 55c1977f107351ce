using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Wan 2.1 (arXiv 2503.20314) in any size.</summary>
public class WanModel(WanConfig c, WanVaeConfig vae) : VideoModel
{
    /// <summary>A transformer of these sizes, where its autoencoder is of no interest.</summary>
    public WanModel(WanConfig c)
        : this(c, new WanVaeConfig { ZDim = c.OutChannels }) { }

    public override LatentGeometry Geometry => vae.Geometry;

    public override IReadOnlyList<int> Patch => c.PatchSize;

    public override int Blocks => c.Layers;

    public override int TextLength => c.TextLength;

    public override AttentionPattern Attention { get; } = AttentionPattern.Full(c.Heads, c.HeadDim);

    public override IEmbedding Embedding(Weights w, ScalarType compute) =>
        new WanEmbedding(w, c, new WanPatches(w / "patch_embedding", c, compute), Attention, compute);

    public override IBlock Block(Weights w) => new WanBlock(w, c, Attention);

    public override IOutput Output(Weights w) => new WanHead(w, c);

    public override VideoAutoencoder Autoencoder(Weights w, ScalarType? compute = null) => new WanVae(w, vae, compute);

    public override VideoModel Causal() =>
        c.PatchSize is [1, ..] && c.ClipDim == 0
            ? this
            : throw new UserException(
                "a causal transformer needs patches of one latent frame and knows no image input; take a text-to-video "
                    + "configuration"
            );

    public override IEnumerable<string> Problems()
    {
        if (vae.TemporalDownsample.Length != vae.DimMult.Length - 1)
            yield return $"vae.temporalDownsample has {vae.TemporalDownsample.Length} entries, vae.dimMult "
                + $"{vae.DimMult.Length}; it needs one fewer";
        if (vae.ZDim != c.OutChannels)
            yield return $"wan.outChannels {c.OutChannels}: the autoencoder's latents have vae.zDim = "
                + $"{vae.ZDim} channels";
    }
}

/// <summary>Wan's transformer, by Wan's sizes alone.</summary>
public sealed class WanTransformer(Weights w, WanConfig c, ScalarType compute = ScalarType.BFloat16)
    : Transformer(w, new WanModel(c), compute);

/// <summary>Wan's transformer with attention that looks back only, by Wan's sizes alone.</summary>
public sealed class CausalWanTransformer(Weights w, WanConfig c, ScalarType compute = ScalarType.BFloat16)
    : CausalTransformer(w, new WanModel(c), compute);
