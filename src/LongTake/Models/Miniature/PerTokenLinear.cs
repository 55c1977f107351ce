using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Miniature;

/// <summary>
/// Option of the miniature: a linear map of its own for every token place of the picture, and another set for the image
/// latent. The miniature's latents are principal components fitted per place (<see cref="LinearPath"/>), so the same
/// channel means another thing at another place, which Wan's shared patch embedding and relative rotary positions
/// cannot tell.
/// </summary>
public sealed class PerTokenLinear
{
    private readonly Tensor weight,
        bias;
    private readonly int shared;

    /// <summary>
    /// weight [2, places / shared, inputs, outputs] and bias [2, places, 1, outputs]: 0 the image latent, 1 the others.
    /// </summary>
    /// <param name="w">Where the parameters are.</param>
    /// <param name="places">Tokens of a latent frame.</param>
    /// <param name="inputs">Numbers of a token.</param>
    /// <param name="outputs">Numbers it becomes.</param>
    /// <param name="std">Of the weights at first.</param>
    /// <param name="shared">Places side by side that have the same weights.</param>
    public PerTokenLinear(Weights w, int places, long inputs, long outputs, double std, int shared = 1)
    {
        this.shared = shared;
        weight = w.Parameter("weight", [2, places / shared, inputs, outputs], std);
        bias = w.Parameter("bias", [2, places, 1, outputs]);
    }

    /// <summary>
    /// [B, T, S, inputs] -> [B, T, S, outputs] in the type of <paramref name="compute"/>; the first latent frame is the
    /// image latent, unless it is <paramref name="inside"/> a video.
    /// </summary>
    public Tensor Forward(Tensor x, ScalarType compute, bool inside = false)
    {
        var (_, t, s, _) = x;
        if (s != bias.size(1))
            throw new UserException(
                $"{s} tokens a latent frame; this model has maps for {bias.size(1)} places (one picture size only)"
            );
        if (inside)
            return Map(1, x);
        var first = Map(0, x.narrow(1, 0, 1));
        return t == 1 ? first : torch.cat([first, Map(1, x.narrow(1, 1, t - 1))], 1);

        Tensor Map(int kind, Tensor part) =>
            Products.PerPlace(part.to(compute), Weight(kind).transpose(1, 2), bias.select(0, kind).squeeze(1));
    }

    private Tensor Weight(int kind) =>
        shared == 1 ? weight.select(0, kind) : weight.select(0, kind).repeat_interleave(shared, dim: 0);
}
