namespace LongTake.Models;

/// <summary>
/// Sizes of a umT5 encoder; the defaults are umT5-xxl, Wan's text encoder. DimAttention is that of all heads together.
/// SharedPositions: one table of relative positions for all layers (T5) instead of one a layer (umT5).
/// </summary>
public sealed record UmT5Config(
    int Vocab = 256384, int Dim = 4096, int DimAttention = 4096, int DimFeedForward = 10240, int Heads = 64, int Layers = 24,
    int Buckets = 32, int MaxDistance = 128, bool SharedPositions = false);

/// <summary>
/// The encoder half of umT5 (Chung et al. 2023; T5, Raffel et al. 2020), without dropout. Parameter names are those of Wan's
/// checkpoint; new parameters are drawn as T5 draws them, which is what makes attention without a scale work.
/// </summary>
public sealed class UmT5Encoder(Weights w, UmT5Config c)
{
    private readonly Tensor tokens = (w / "token_embedding").Parameter("weight", [c.Vocab, c.Dim], 1);
    private readonly RelativePositions? shared = c.SharedPositions ? new(w / "pos_embedding", c) : null;
    private readonly UmT5Block[] blocks = [.. Enumerable.Range(0, c.Layers).Select(i => new UmT5Block(w / "blocks" / i, c))];
    private readonly RmsNorm norm = new(w / "norm", c.Dim);

    /// <summary>
    /// ids [B, L] and mask [B, L] (int64, 1 on real tokens; none means all are real) to features [B, L, Dim].
    /// Rows of padding hold values too: see <see cref="WithoutPadding"/>.
    /// </summary>
    public Tensor Forward(Tensor ids, Tensor? mask = null)
    {
        var buckets = RelativePositions.Buckets(ids.Size(1), c).To(ids.Device);
        var padding = mask is null ? null : Eq(mask, 0).Unsqueeze(1).Unsqueeze(1);   // [B, 1, 1, L]
        var bias = shared?.Forward(buckets);
        var x = Embedding(tokens, ids);
        foreach (var block in blocks)
        {
            using var scope = new Scope();   // a layer of the full size makes some hundred megabytes of scores
            x = scope.Keep(block.Forward(x, buckets, bias, padding));
        }
        return norm.Forward(x);
    }

    /// <summary>Features [B, L, Dim] with the rows of padding set to zero, as the video model wants them.</summary>
    public static Tensor WithoutPadding(Tensor features, Tensor mask) => features * mask.Unsqueeze(-1).To(features.Dtype);

    private sealed class UmT5Block(Weights w, UmT5Config c)
    {
        private readonly RelativePositions? own = c.SharedPositions ? null : new(w / "pos_embedding", c);
        private readonly RmsNorm norm1 = new(w / "norm1", c.Dim), norm2 = new(w / "norm2", c.Dim);
        private readonly BiasedAttention attention = new(w / "attn", c);
        private readonly GatedFeedForward feedForward = new(w / "ffn", c);

        public Tensor Forward(Tensor x, Tensor buckets, Tensor? bias, Tensor? padding)
        {
            x = x + attention.Forward(norm1.Forward(x), bias ?? own!.Forward(buckets), padding);
            return x + feedForward.Forward(norm2.Forward(x));
        }
    }

    /// <summary>Self-attention without a scale; x [B, L, Dim], bias [1, H, L, L], padding [B, 1, 1, L] true on keys to ignore.</summary>
    private sealed class BiasedAttention(Weights w, UmT5Config c)
    {
        private readonly Tensor q = (w / "q").Parameter("weight", [c.DimAttention, c.Dim], 1 / Math.Sqrt((double)c.Dim * c.DimAttention));
        private readonly Tensor k = (w / "k").Parameter("weight", [c.DimAttention, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor v = (w / "v").Parameter("weight", [c.DimAttention, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor o = (w / "o").Parameter("weight", [c.Dim, c.DimAttention], 1 / Math.Sqrt((double)c.Heads * c.DimAttention));

        public Tensor Forward(Tensor x, Tensor bias, Tensor? padding)
        {
            var scores = (MatMul(Split(x, q), Split(x, k).Transpose(-1, -2)) + bias).To(Dtype.F32);
            if (padding is not null) scores = MaskedFill(scores, padding, float.MinValue);
            var y = MatMul(Softmax(scores, -1).To(x.Dtype), Split(x, v));   // [B, H, L, D]
            return Linear(y.Transpose(1, 2).Reshape(x.Size(0), x.Size(1), c.DimAttention), o);
        }

        private Tensor Split(Tensor x, Tensor weight) =>
            Linear(x, weight).Reshape(x.Size(0), x.Size(1), c.Heads, -1).Transpose(1, 2);
    }

    private sealed class GatedFeedForward(Weights w, UmT5Config c)
    {
        private readonly Tensor gate = (w / "gate" / 0).Parameter("weight", [c.DimFeedForward, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor up = (w / "fc1").Parameter("weight", [c.DimFeedForward, c.Dim], 1 / Math.Sqrt(c.Dim));
        private readonly Tensor down = (w / "fc2").Parameter("weight", [c.Dim, c.DimFeedForward], 1 / Math.Sqrt(c.DimFeedForward));

        public Tensor Forward(Tensor x) => Linear(Linear(x, up) * Gelu(Linear(x, gate), tanh: true), down);
    }

    /// <summary>Root mean square norm in float32, no mean, no bias.</summary>
    private sealed class RmsNorm(Weights w, int dim)
    {
        private readonly Tensor weight = w.Parameter("weight", [dim], mean: 1);

        public Tensor Forward(Tensor x)
        {
            var f = x.To(Dtype.F32);
            return (f * Rsqrt(Mean(f * f, [-1], keepdim: true) + 1e-6)).To(x.Dtype) * weight;
        }
    }
}

/// <summary>T5's learnt bias by distance: near distances have a bucket each, far ones share logarithmic buckets.</summary>
public sealed class RelativePositions(Weights w, UmT5Config c)
{
    private readonly Tensor table = (w / "embedding").Parameter("weight", [c.Buckets, c.Heads], 1 / Math.Sqrt(2.0 * c.Buckets * c.Heads));

    /// <summary>Buckets [L, L] to a bias [1, H, L, L].</summary>
    public Tensor Forward(Tensor buckets) => Embedding(table, buckets).Permute(2, 0, 1).Unsqueeze(0);

    /// <summary>Bucket of each (query, key): [L, L], int64.</summary>
    public static Tensor Buckets(long length, UmT5Config c)
    {
        var buckets = new long[length * length];
        for (var query = 0L; query < length; query++)
            for (var key = 0L; key < length; key++)
                buckets[query * length + key] = Bucket(key - query, c);
        return Tensor.From<long>(buckets, length, length);
    }

    /// <summary>Bucket of a distance (key minus query): half of the buckets for keys behind the query, half for keys ahead.</summary>
    public static long Bucket(long distance, UmT5Config c)
    {
        var half = c.Buckets / 2;
        var near = half / 2;
        var far = Math.Abs(distance);
        var side = distance > 0 ? half : 0;
        if (far < near) return side + far;
        // Single precision, as the published models were trained: it decides on which side of an edge a distance falls.
        var share = MathF.Log((float)far / near) / (float)Math.Log((double)c.MaxDistance / near);
        return side + Math.Min(half - 1, near + (long)(share * (half - near)));
    }
}
