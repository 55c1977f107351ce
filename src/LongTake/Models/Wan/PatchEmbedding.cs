using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Latents to tokens: Wan's strided convolution, or (option of the miniature) one map for every place.
/// </summary>
public sealed class PatchEmbedding
{
    private readonly WanConfig config;
    private readonly ScalarType compute;
    private readonly Tensor? weight,
        bias;
    private readonly PerTokenLinear? placed;

    /// <summary>weight [D, C, patch t, h, w] and bias [D], or those of a <see cref="PerTokenLinear"/>.</summary>
    public PatchEmbedding(Weights w, WanConfig c, ScalarType compute)
    {
        (config, this.compute) = (c, compute);
        var std = Math.Sqrt(2.0 / (c.Dim + c.InChannels * 4));
        if (c.Places > 0)
            placed = new PerTokenLinear(w, c.Places, c.PatchVolume * c.InChannels, c.Dim, std);
        else
        {
            weight = w.Parameter(
                "weight",
                [c.Dim, c.InChannels, c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]],
                std
            );
            bias = w.Parameter("bias", [c.Dim]);
        }
    }

    /// <summary>
    /// [B, C, T, H, W] -> tokens [B, T, S, D] in float32, T and S counted in patches; about <paramref name="inside"/>
    /// see <see cref="PerTokenLinear"/>.
    /// </summary>
    public Tensor Forward(Tensor x, bool inside = false)
    {
        var (pt, ph, pw) = (config.PatchSize[0], config.PatchSize[1], config.PatchSize[2]);
        var (_, _, t, h, wide) = x;
        if (t % pt != 0 || h % ph != 0 || wide % pw != 0)
            throw new UserException(
                $"latents [{t}, {h}, {wide}] (time, height, width) are not a multiple of the patch [{pt}, {ph}, {pw}]"
            );
        using var scope = torch.NewDisposeScope();
        var tokens = placed is not null
            ? placed.Forward(Convolution.Patches(x, pt, ph, pw), compute, inside)
            : Convolution.OfPatches(x.to(compute), weight!, bias);
        return tokens.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }
}
