using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// CLIP tokens to the model's width: norm, linear, exact GELU, linear, norm. Reference: wan/modules/model.py, MLPProj.
/// </summary>
public sealed class WanImageEmbedding(Weights w, WanConfig c)
{
    private const double Eps = 1e-5;
    private readonly AffineLayerNorm before = new(w / "proj" / 0, c.ClipDim, Eps),
        after = new(w / "proj" / 4, c.Dim, Eps);
    private readonly Linear up = new(w / "proj" / 1, c.ClipDim, c.ClipDim),
        out_ = new(w / "proj" / 3, c.ClipDim, c.Dim);

    /// <summary>[B, 257, clipDim] -> [B, 257, D], both in the type of the products.</summary>
    public Tensor Forward(Tensor clip) =>
        after.Forward(
            out_.Forward(Elementwise.Gelu(up.Forward(before.Forward(clip, clip.dtype)), tanh: false)),
            clip.dtype
        );
}

/// <summary>Keys and values of the image tokens in a cross-attention, beside those of the text.</summary>
internal sealed class WanImageKeys(Weights w, WanConfig c)
{
    private readonly Linear k = new(w / "k_img", c.Dim, c.Dim),
        v = new(w / "v_img", c.Dim, c.Dim);
    private readonly RmsNorm norm = new(w / "norm_k_img", c.Dim, c.Eps);

    public Tensor K(Tensor image) => norm.Forward(k.Forward(image));

    public Tensor V(Tensor image) => v.Forward(image);
}
