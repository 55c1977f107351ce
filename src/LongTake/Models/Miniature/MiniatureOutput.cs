using LongTake.Models.Wan;

namespace LongTake.Models.Miniature;

/// <summary>
/// The output layer: Wan's, with weights of each token's own, and preconditioning: the network gives the part of v that
/// x_t and sigma do not already say.
/// </summary>
public sealed class MiniatureOutput(Weights w, WanConfig c, int tokens, int shared = 1) : IOutput
{
    private readonly Tensor modulation = WanHead.Modulation(w, c);

    private readonly PerTokenLinear linear = new(
        w / "head",
        tokens,
        c.Dim,
        c.PatchVolume * c.OutChannels,
        std: 0,
        shared
    );

    public Tensor Forward(TransformerState state, Tensor x, Tensor timesteps)
    {
        var s = (WanState)state;
        var patches = linear.Forward(WanHead.Normalised(s, modulation, c), s.Text.dtype, s.Inside);
        var v = WanHead.Pictures(patches.to(ScalarType.Float32), x, c);
        var steps = timesteps.ndim == 1 ? 1 : x.size(2);
        var sigma = (timesteps.to(ScalarType.Float32) / 1000).reshape(v.size(0), 1, steps, 1, 1);
        var power = sigma * sigma + (1 - sigma) * (1 - sigma);
        return x * ((sigma * 2 - 1) / power) + v * power.rsqrt();
    }
}
