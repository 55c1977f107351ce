using LongTake.Models;
using LongTake.Nn;

namespace LongTake.Tests.Examples;

/// <summary>
/// A third family in one file: an autoencoder that averages pixels, and a transformer that reads its text as one mean
/// token. It is here to show, and to test, what a family needs to be trained and sampled like the others.
/// </summary>
public sealed class PoolFamily(ModelConfig config) : VideoModel
{
    private const int Stride = 4;
    private const int Heads = 2;
    private readonly int dim = (int)config.Sizes!["dim"]!;

    public override LatentGeometry Geometry => new(Channels: 3, TemporalStride: 4, SpatialStride: Stride, WarmUp: 1);

    public override IReadOnlyList<int> Patch => [1, 1, 1];

    public override int Blocks => (int)config.Sizes!["blocks"]!;

    public override int TextLength => 32;

    public override AttentionPattern Attention { get; } =
        AttentionPattern.Full(Heads, (int)config.Sizes!["dim"]! / Heads);

    public override IEmbedding Embedding(Weights w, ScalarType compute) =>
        new PoolEmbedding(w, config.Text.Dim, dim, Attention);

    public override IBlock Block(Weights w) => new PoolBlock(w, dim, Attention);

    public override IOutput Output(Weights w) => new PoolOutput(w, dim);

    public override VideoAutoencoder Autoencoder(Weights w, ScalarType? compute = null) => new Pool(w, Geometry);

    public override VideoModel Causal() => this;

    private sealed class State : TransformerState
    {
        public required Tensor Cos { get; init; }
        public required Tensor Sin { get; init; }

        public override TransformerState With(Tensor x) =>
            new State
            {
                X = x,
                Cos = Cos,
                Sin = Sin,
            };
    }

    private sealed class Prompted(Tensor text) : EncodedPrompt
    {
        public Tensor Text { get; } = text;
    }

    private sealed class PoolEmbedding(Weights w, int textDim, int dim, AttentionPattern pattern) : IEmbedding
    {
        private readonly Linear pixels = new(w / "pixels", 3, dim),
            words = new(w / "words", textDim, dim),
            time = new(w / "time", 1, dim);

        public TransformerState Forward(Tensor x, Tensor timesteps, Tensor text, ImageCondition? image = null) =>
            Forward(x, timesteps, Prompt(text, image, []), image);

        public TransformerState Forward(
            Tensor x,
            Tensor timesteps,
            EncodedPrompt prompt,
            ImageCondition? image = null,
            bool inside = false
        )
        {
            var (b, c, t, h, width) = x;
            var tokens = pixels.Forward(x.to(ScalarType.Float32).permute(0, 2, 3, 4, 1).reshape(b, t, h * width, c));
            var steps = (timesteps.to(ScalarType.Float32) / 1000).reshape(b, -1, 1, 1);
            var (cos, sin) = pattern.Table((int)t, (int)h, (int)width, x.device);
            return new State
            {
                X = tokens + time.Forward(steps) + ((Prompted)prompt).Text,
                Cos = cos,
                Sin = sin,
            };
        }

        public EncodedPrompt Prompt(Tensor text, ImageCondition? image, IEnumerable<IBlock> blocks) =>
            new Prompted(words.Forward(text.to(ScalarType.Float32).mean([1])).unsqueeze(1).unsqueeze(1));
    }

    private sealed class PoolBlock(Weights w, int dim, AttentionPattern pattern) : IBlock
    {
        private readonly RmsNorm norm = new(w / "norm", dim, 1e-6);
        private readonly Linear q = new(w / "q", dim, dim),
            k = new(w / "k", dim, dim),
            v = new(w / "v", dim, dim),
            o = new(w / "o", dim, dim);

        public TransformerState Forward(TransformerState state, SelfAttention? attend = null)
        {
            var s = (State)state;
            var (b, t, n, d) = s.X;
            var x = norm.Forward(s.X.reshape(b, t * n, d));
            Tensor Of(Linear map) => map.Forward(x).reshape(b, t * n, Heads, d / Heads);
            Tensor Turned(Linear map) => Rotary.Apply(Of(map), s.Cos, s.Sin);
            var seen = attend?.Invoke(Of(q), Of(k), Of(v)) ?? pattern.Attend(Turned(q), Turned(k), Of(v), (int)t);
            return s.With(s.X + o.Forward(seen.reshape(b, t, n, d)));
        }
    }

    private sealed class PoolOutput(Weights w, int dim) : IOutput
    {
        private readonly Linear pixels = new(w / "pixels", dim, 3);

        public Tensor Forward(TransformerState state, Tensor x, Tensor timesteps) =>
            pixels.Forward(state.X).permute(0, 3, 1, 2).reshape(x.shape);
    }

    /// <summary>A latent is the mean of its pixels and frames; a decoded frame repeats it.</summary>
    private sealed class Pool(Weights w, LatentGeometry geometry) : VideoAutoencoder
    {
        private readonly Tensor scale = w.Parameter("scale", [1], mean: 1);

        public override torch.Device Device => w.Device;

        public override LatentGeometry Geometry => geometry;

        public override Tensor Moments(Tensor video, int chunk = 1)
        {
            var mean = Encode(video, chunk);
            return torch.cat([mean, torch.zeros_like(mean)], 1);
        }

        public override Tensor Encode(Tensor video, int chunk = 1)
        {
            using var cache = new AutoencoderCache();
            return EncodeStep(video, cache);
        }

        public override Tensor EncodeStep(Tensor video, AutoencoderCache cache)
        {
            var first = cache.First;
            cache.First = false;
            var frames = first ? torch.cat([video.narrow(2, 0, 1).expand(-1, -1, 3, -1, -1), video], 2) : video;
            return torch.nn.functional.avg_pool3d(frames, [4, Stride, Stride]) * scale;
        }

        public override Tensor Decode(Tensor latents, int chunk = 1, bool clamp = true)
        {
            using var cache = new AutoencoderCache();
            return DecodeStep(latents, cache, clamp);
        }

        public override Tensor DecodeStep(Tensor latents, AutoencoderCache cache, bool clamp = true)
        {
            var video = (latents.to(ScalarType.Float32) / scale.to(ScalarType.Float32))
                .repeat_interleave(4, 2)
                .repeat_interleave(Stride, 3)
                .repeat_interleave(Stride, 4);
            if (cache.First)
                video = video.narrow(2, 3, video.size(2) - 3);
            cache.First = false;
            return clamp ? video.clamp(-1, 1) : video;
        }
    }
}
