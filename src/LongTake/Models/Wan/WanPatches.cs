using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Latents to tokens.</summary>
public interface IPatches
{
    /// <summary>
    /// [B, C, T, H, W] -> tokens [B, T, S, D] in float32, T and S counted in patches. <paramref name="inside"/>: the
    /// first latent is inside a video, not its first one.
    /// </summary>
    Tensor Forward(Tensor x, bool inside);
}

/// <summary>Wan's strided convolution: weight [D, C, patch t, h, w] and bias [D].</summary>
public sealed class WanPatches(Weights w, WanConfig c, ScalarType compute) : IPatches
{
    private readonly Tensor weight = w.Parameter(
        "weight",
        [c.Dim, c.InChannels, c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]],
        Std(c)
    );

    private readonly Tensor bias = w.Parameter("bias", [c.Dim]);

    /// <summary>What patch weights are drawn with.</summary>
    public static double Std(WanConfig c) => Math.Sqrt(2.0 / (c.Dim + c.InChannels * 4));

    public Tensor Forward(Tensor x, bool inside)
    {
        Check(x, c);
        using var scope = torch.NewDisposeScope();
        return Convolution.OfPatches(x.to(compute), weight, bias).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <exception cref="UserException">The latents cannot be cut into whole patches.</exception>
    internal static void Check(Tensor x, WanConfig c)
    {
        var (_, _, t, h, width) = x;
        var (pt, ph, pw) = (c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]);
        if (t % pt != 0 || h % ph != 0 || width % pw != 0)
            throw new UserException(
                $"latents [{t}, {h}, {width}] (time, height, width) are not a multiple of the patch [{pt}, {ph}, {pw}]"
            );
    }
}
