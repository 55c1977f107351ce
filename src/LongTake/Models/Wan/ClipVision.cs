using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Sizes of CLIP's visual tower; the defaults are ViT-H/14 of open-clip's XLM-RoBERTa model, the one Wan's
/// image-to-video models read pictures with.
/// </summary>
public sealed record ClipConfig
{
    /// <summary>Pixels of a side of the square picture that goes in.</summary>
    public int ImageSize { get; init; } = 224;

    /// <summary>Pixels of a token's side.</summary>
    public int PatchSize { get; init; } = 14;
    public int Dim { get; init; } = 1280;
    public int FfnDim { get; init; } = 5120;
    public int Heads { get; init; } = 16;
    public int Layers { get; init; } = 32;
    public double Eps { get; init; } = 1e-5;
}

/// <summary>
/// CLIP's visual tower as Wan uses it: all tokens as they come out of the block before the last. Reference:
/// wan/modules/clip.py (VisionTransformer with pre-norm blocks, exact GELU and a norm before the first). Names are
/// those of Wan's checkpoint.
/// </summary>
public sealed class ClipVision(Weights w, ClipConfig c)
{
    private static readonly double[] mean = [0.48145466, 0.4578275, 0.40821073],
        std = [0.26862954, 0.26130258, 0.27577711];

    private readonly int side = c.ImageSize / c.PatchSize;
    private readonly Tensor patches = (w / "visual" / "patch_embedding").Parameter(
        "weight",
        [c.Dim, 3, c.PatchSize, c.PatchSize],
        1 / Math.Sqrt(3 * c.PatchSize * c.PatchSize)
    );
    private readonly Tensor first = (w / "visual").Parameter("cls_embedding", [1, 1, c.Dim], 1 / Math.Sqrt(c.Dim));
    private readonly Tensor places = (w / "visual").Parameter(
        "pos_embedding",
        [1, 1 + c.ImageSize / c.PatchSize * (c.ImageSize / c.PatchSize), c.Dim],
        1 / Math.Sqrt(c.Dim)
    );
    private readonly AffineLayerNorm before = new(w / "visual" / "pre_norm", c.Dim, c.Eps);
    private readonly Block[] blocks =
    [
        .. Enumerable.Range(0, c.Layers).Select(i => new Block(w / "visual" / "transformer" / i, c)),
    ];

    // Part of every checkpoint; what leaves before the last block does not pass it.
    private readonly AffineLayerNorm after = new(w / "visual" / "post_norm", c.Dim, c.Eps);

    /// <summary>
    /// Pictures [B, 3, H, W] in [-1, 1], of any size, to tokens [B, 1 + patches, Dim], the picture's own first. The
    /// picture is stretched to the square, bicubic with a = -0.75 and without antialias, however large it is: as Wan's
    /// own program does.
    /// </summary>
    public Tensor Forward(Tensor pictures)
    {
        using var scope = torch.NewDisposeScope();
        Tensor Channels(double[] values) =>
            Tensor.From<float>([.. values.Select(v => (float)v)]).reshape(1, 3, 1, 1).to(pictures.device);
        var square = torch.nn.functional.interpolate(
            pictures.to(ScalarType.Float32),
            [c.ImageSize, c.ImageSize],
            mode: torch.InterpolationMode.Bicubic,
            align_corners: false
        );
        var x = ((square * 0.5 + 0.5 - Channels(mean)) / Channels(std)).to(patches.dtype);
        var (b, n) = (x.size(0), side * side);
        var tokens = Convolution.OfPatches(x.unsqueeze(2), patches.unsqueeze(2), null).reshape(b, n, c.Dim);
        x = before.Forward(torch.cat([first.expand(b, 1, c.Dim), tokens], 1) + places, patches.dtype);
        foreach (var block in blocks[..^1])
        {
            using var inner = torch.NewDisposeScope();
            x = block.Forward(x).MoveToOuterDisposeScope();
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Attention of all tokens to all, then the MLP, each on a normed copy.</summary>
    private sealed class Block(Weights w, ClipConfig c)
    {
        private readonly AffineLayerNorm norm1 = new(w / "norm1", c.Dim, c.Eps),
            norm2 = new(w / "norm2", c.Dim, c.Eps);
        private readonly Linear qkv = new(w / "attn" / "to_qkv", c.Dim, 3 * c.Dim),
            proj = new(w / "attn" / "proj", c.Dim, c.Dim);
        private readonly Linear up = new(w / "mlp" / 0, c.Dim, c.FfnDim),
            down = new(w / "mlp" / 2, c.FfnDim, c.Dim);

        public Tensor Forward(Tensor x)
        {
            var (b, n, d) = x;
            var heads = qkv.Forward(norm1.Forward(x, x.dtype)).reshape(b, n, 3, c.Heads, d / c.Heads).unbind(2);
            x = x + proj.Forward(Attention.Full(heads[0], heads[1], heads[2]).reshape(b, n, d));
            return x + down.Forward(Elementwise.Gelu(up.Forward(norm2.Forward(x, x.dtype)), tanh: false));
        }
    }
}
