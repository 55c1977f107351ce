using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Floating-point operations of one forward of a Wan transformer; a multiplication with its addition counts two.
/// </summary>
public sealed record WanFlops(double Attention, double Linear, double CrossAttention, double Other)
{
    public double Total => Attention + Linear + CrossAttention + Other;

    /// <summary>The parts by name.</summary>
    public IReadOnlyList<Amount> Parts =>
        [
            new("attention", Attention),
            new("linear", Linear),
            new("cross-attention", CrossAttention),
            new("patches, text, time, head", Other),
        ];
}

/// <summary>
/// Operations in closed form. Normalisations, activations and other elementwise work are left out: under 1 % at Wan's
/// sizes.
/// </summary>
public static class Flops
{
    /// <summary>
    /// A forward over latents [batch, C, latents, height, width]. Of n tokens of width d and an MLP of width f a block
    /// takes: attention 4 n^2 d; linear maps 2 n (6 d^2 + 2 d f); cross-attention 4 n l d and 4 l d^2 for the keys and
    /// values of l text tokens. Other: patches, text, time and output head.
    /// </summary>
    public static WanFlops Wan(
        WanConfig c,
        double batch,
        double latents,
        double height,
        double width,
        AttentionPattern? pattern = null
    )
    {
        var (frames, places) = (latents / c.PatchSize[0], height / c.PatchSize[1] * (width / c.PatchSize[2]));
        double n = frames * places,
            d = c.Dim,
            f = c.FfnDim,
            l = c.TextLength,
            image = c.ClipDim > 0 ? 257 : 0;
        var calls = (pattern ?? AttentionPattern.Full(c.Heads, c.HeadDim)).Calls(1, frames, places);
        var seen = calls.Sum(call => call.Heads * call.Tokens) / c.Heads;
        return new(
            batch * c.Layers * 4 * n * seen * d,
            batch * c.Layers * 2 * n * (6 * d * d + 2 * d * f),
            batch * c.Layers * (4 * n * (l + image) * d + 4 * (l + image) * d * d),
            batch
                * (
                    2 * n * c.PatchVolume * (c.InChannels + c.OutChannels) * d
                    + 2 * l * (c.TextDim * d + d * d)
                    + 2 * (c.FreqDim * d + 7 * d * d)
                )
        );
    }

    /// <summary>One text of so many tokens, padding included, through umT5.</summary>
    public static double Text(UmT5Config c, double length) =>
        c.Layers
        * (
            2 * length * (4.0 * c.Dim * c.DimAttention + 3.0 * c.Dim * c.DimFeedForward)
            + 4 * length * length * c.DimAttention
        );

    /// <summary>A video of so many latents of [height, width] into the autoencoder, or out of it.</summary>
    public static double Vae(WanVaeConfig c, bool decode, double latents, double height, double width) =>
        VaeLayer.All(c, decode).Sum(l => l.Flops(c, latents, height, width));
}
