namespace LongTake.Models;

/// <summary>Latents to tokens: Wan's strided convolution, or (option of the miniature) one map for every place.</summary>
public sealed class PatchEmbedding
{
    private readonly WanConfig config;
    private readonly Dtype compute;
    private readonly Tensor? weight, bias;
    private readonly PlaceLinear? placed;

    /// <summary>weight [D, C, patch t, h, w] and bias [D], or those of a <see cref="PlaceLinear"/>.</summary>
    public PatchEmbedding(Weights w, WanConfig c, Dtype compute)
    {
        (config, this.compute) = (c, compute);
        var deviation = Math.Sqrt(2.0 / (c.Dim + c.InChannels * 4));
        if (c.Places > 0) placed = new PlaceLinear(w, c.Places, c.PatchVolume * c.InChannels, c.Dim, deviation);
        else
        {
            weight = w.Parameter("weight", [c.Dim, c.InChannels, c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]], deviation);
            bias = w.Parameter("bias", [c.Dim]);
        }
    }

    /// <summary>[B, C, T, H, W] -> tokens [B, T, S, D] in float32, T and S counted in patches; about <paramref name="inside"/> see <see cref="PlaceLinear"/>.</summary>
    public Tensor Forward(Tensor x, bool inside = false)
    {
        var (pt, ph, pw) = (config.PatchSize[0], config.PatchSize[1], config.PatchSize[2]);
        var (b, channels, t, h, wide) = x;
        if (t % pt != 0 || h % ph != 0 || wide % pw != 0)
            throw new UserException($"latents [{t}, {h}, {wide}] (time, height, width) are not a multiple of the patch [{pt}, {ph}, {pw}]");
        using var scope = new Scope();
        if (placed is not null)
        {
            var patches = x.Reshape([b, channels, t, h / ph, ph, wide / pw, pw]).Permute(0, 2, 3, 5, 1, 4, 6).Reshape(b, t, -1, config.PatchVolume * channels);
            return scope.Keep(placed.Forward(patches, compute, inside).To(Dtype.F32).Contiguous());
        }
        var tokens = Conv3d(x.To(compute), weight!.To(compute), bias!.To(compute), [pt, ph, pw], [0, 0, 0]).To(Dtype.F32);
        return scope.Keep(tokens.Reshape(b, config.Dim, t / pt, -1).Permute(0, 2, 3, 1).Contiguous());
    }
}
