using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Parameters of the networks, counted by building them without memory.</summary>
internal static class Counts
{
    private static double Of(Action<Weights> build)
    {
        using var scope = torch.NewDisposeScope();
        return Weights.Shapes(build).Sum(p => p.Value.Aggregate(1.0, (a, b) => a * b));
    }

    public static double Transformer(ModelConfig c) => Of(w => _ = new Transformer(w, c.Model));

    /// <summary>One block of a transformer.</summary>
    public static double Block(WanConfig c) =>
        Of(w => _ = new WanBlock(w, c, AttentionPattern.Full(c.Heads, c.HeadDim)));

    /// <summary>A student with both heads, or one.</summary>
    public static double Student(ModelConfig c, Head? only = null) =>
        Of(w => _ = new DecoupledTransformer(w, c.Model, c.HeadBlocks, only: only));

    public static double Vae(ModelConfig c) => Of(w => _ = c.Model.Autoencoder(w));

    public static double Text(UmT5Config c) => Of(w => _ = new UmT5Encoder(w, c));
}
