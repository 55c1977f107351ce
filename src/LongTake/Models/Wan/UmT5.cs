using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Sizes of a umT5 encoder; the defaults are umT5-xxl, Wan's text encoder. DimAttention is that of all heads together.
/// SharedPositions: one table of relative positions for all layers (T5) instead of one a layer (umT5).
/// </summary>
public sealed record UmT5Config(
    int Vocab = 256384,
    int Dim = 4096,
    int DimAttention = 4096,
    int DimFeedForward = 10240,
    int Heads = 64,
    int Layers = 24,
    int Buckets = 32,
    int MaxDistance = 128,
    bool SharedPositions = false
);

/// <summary>
/// The encoder half of umT5 (Chung et al. 2023; T5, Raffel et al. 2020), without dropout. Parameter names are those of
/// Wan's checkpoint; new parameters are drawn as T5 draws them, which is what makes attention without a scale work.
/// </summary>
public sealed class UmT5Encoder(Weights w, UmT5Config c)
{
    private readonly Tensor tokens = (w / "token_embedding").Parameter("weight", [c.Vocab, c.Dim], 1);
    private readonly RelativePositions? shared = c.SharedPositions ? new(w / "pos_embedding", c) : null;
    private readonly UmT5Block[] blocks =
    [
        .. Enumerable.Range(0, c.Layers).Select(i => new UmT5Block(w / "blocks" / i, c)),
    ];
    private readonly RmsNorm norm = new(w / "norm", c.Dim);

    /// <summary>
    /// ids [B, L] and mask [B, L] (int64, 1 on real tokens; none means all are real) to features [B, L, Dim].
    /// Rows of padding hold values too: see <see cref="WithoutPadding"/>.
    /// </summary>
    public Tensor Forward(Tensor ids, Tensor? mask = null)
    {
        var buckets = RelativePositions.Buckets(ids.size(1), c).to(ids.device);
        var padding = mask is null ? null : mask.eq(0).unsqueeze(1).unsqueeze(1); // [B, 1, 1, L]
        var bias = shared?.Forward(buckets);
        var x = Rows(tokens, ids);
        foreach (var block in blocks)
        {
            // a layer of the full size makes some hundred megabytes of scores
            using var scope = torch.NewDisposeScope();
            x = block.Forward(x, buckets, bias, padding).MoveToOuterDisposeScope();
        }
        return norm.Forward(x);
    }

    /// <summary>Rows of a table [N, D] by ids [..]: [.., D].</summary>
    internal static Tensor Rows(Tensor table, Tensor ids) =>
        table.index_select(0, ids.flatten()).reshape([.. ids.shape, table.size(1)]);

    /// <summary>Features [B, L, Dim] with the rows of padding set to zero, as the video model wants them.</summary>
    public static Tensor WithoutPadding(Tensor features, Tensor mask) =>
        features * mask.unsqueeze(-1).to(features.dtype);

    private sealed class UmT5Block(Weights w, UmT5Config c)
    {
        private readonly RelativePositions? own = c.SharedPositions ? null : new(w / "pos_embedding", c);
        private readonly RmsNorm norm1 = new(w / "norm1", c.Dim),
            norm2 = new(w / "norm2", c.Dim);
        private readonly BiasedAttention attention = new(w / "attn", c);
        private readonly GatedFeedForward feedForward = new(w / "ffn", c);

        public Tensor Forward(Tensor x, Tensor buckets, Tensor? bias, Tensor? padding)
        {
            x = x + attention.Forward(norm1.Forward(x), bias ?? own!.Forward(buckets), padding);
            return x + feedForward.Forward(norm2.Forward(x));
        }
    }

    /// <summary>
    /// Self-attention without a scale; x [B, L, Dim], bias [1, H, L, L], padding [B, 1, 1, L] true on keys to ignore.
    /// </summary>
    private sealed class BiasedAttention(Weights w, UmT5Config c)
    {
        private readonly Tensor q = (w / "q").Parameter(
            "weight",
            [c.DimAttention, c.Dim],
            1 / Math.Sqrt((double)c.Dim * c.DimAttention)
        );
        private readonly Tensor k = (w / "k").Parameter("weight", [c.DimAttention, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor v = (w / "v").Parameter("weight", [c.DimAttention, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor o = (w / "o").Parameter(
            "weight",
            [c.Dim, c.DimAttention],
            1 / Math.Sqrt((double)c.Heads * c.DimAttention)
        );

        public Tensor Forward(Tensor x, Tensor bias, Tensor? padding)
        {
            var scores = (Split(x, q).matmul(Split(x, k).transpose(-1, -2)) + bias).to(ScalarType.Float32);
            if (padding is not null)
                scores = scores.masked_fill(padding, float.MinValue);
            var y = scores.softmax(-1).to(x.dtype).matmul(Split(x, v)); // [B, H, L, D]
            return torch.nn.functional.linear(y.transpose(1, 2).reshape(x.size(0), x.size(1), c.DimAttention), o);
        }

        private Tensor Split(Tensor x, Tensor weight) =>
            torch.nn.functional.linear(x, weight).reshape(x.size(0), x.size(1), c.Heads, -1).transpose(1, 2);
    }

    private sealed class GatedFeedForward(Weights w, UmT5Config c)
    {
        private readonly Tensor gate = (w / "gate" / 0).Parameter(
            "weight",
            [c.DimFeedForward, c.Dim],
            1 / Math.Sqrt(c.Dim)
        );
        private readonly Tensor up = (w / "fc1").Parameter("weight", [c.DimFeedForward, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor down = (w / "fc2").Parameter(
            "weight",
            [c.Dim, c.DimFeedForward],
            1 / Math.Sqrt(c.DimFeedForward)
        );

        public Tensor Forward(Tensor x) =>
            torch.nn.functional.linear(
                torch.nn.functional.linear(x, up) * Elementwise.Gelu(torch.nn.functional.linear(x, gate), tanh: true),
                down
            );
    }

    /// <summary>Root mean square norm in float32, no mean, no bias.</summary>
    private sealed class RmsNorm(Weights w, int dim)
    {
        private readonly Tensor weight = w.Parameter("weight", [dim], mean: 1);

        public Tensor Forward(Tensor x)
        {
            var f = x.to(ScalarType.Float32);
            return (f * ((f * f).mean([-1], keepdim: true) + 1e-6).rsqrt()).to(x.dtype) * weight;
        }
    }
}

/// <summary>
/// T5's learnt bias by distance: near distances have a bucket each, far ones share logarithmic buckets.
/// </summary>
public sealed class RelativePositions(Weights w, UmT5Config c)
{
    private readonly Tensor table = (w / "embedding").Parameter(
        "weight",
        [c.Buckets, c.Heads],
        1 / Math.Sqrt(2.0 * c.Buckets * c.Heads)
    );

    /// <summary>Buckets [L, L] to a bias [1, H, L, L].</summary>
    public Tensor Forward(Tensor buckets) => UmT5Encoder.Rows(table, buckets).permute(2, 0, 1).unsqueeze(0);

    /// <summary>Bucket of each (query, key): [L, L], int64.</summary>
    public static Tensor Buckets(long length, UmT5Config c)
    {
        var buckets = new long[length * length];
        for (var query = 0L; query < length; query++)
        for (var key = 0L; key < length; key++)
            buckets[query * length + key] = Bucket(key - query, c);
        return Tensor.From<long>(buckets, length, length);
    }

    /// <summary>
    /// Bucket of a distance (key minus query): half of the buckets for keys behind the query, half for keys ahead.
    /// </summary>
    public static long Bucket(long distance, UmT5Config c)
    {
        var half = c.Buckets / 2;
        var near = half / 2;
        var far = Math.Abs(distance);
        var side = distance > 0 ? half : 0;
        if (far < near)
            return side + far;
        // Single precision, as the published models were trained: it decides on which side of an edge a distance falls.
        var share = MathF.Log((float)far / near) / (float)Math.Log((double)c.MaxDistance / near);
        return side + Math.Min(half - 1, near + (long)(share * (half - near)));
    }
}
