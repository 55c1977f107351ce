using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>What Wan's blocks pass on: tokens, modulations, text, rotary tables.</summary>
public sealed class WanState : TransformerState
{
    /// <summary>[B, 1 or T, 6, D]: shift, scale, gate of attention and of the MLP.</summary>
    public required Tensor Modulation { get; init; }

    /// <summary>[B, 1 or T, D]: what the output head is modulated with.</summary>
    public required Tensor Time { get; init; }

    /// <summary>[B, L, D] in the type of the products.</summary>
    public required Tensor Text { get; init; }

    /// <summary>[B, 257, D], the image's tokens of an image-to-video model.</summary>
    public Tensor? Image { get; init; }
    public required Tensor Cos { get; init; }
    public required Tensor Sin { get; init; }

    /// <summary>The first frame is inside a video, not its image latent.</summary>
    public bool Inside { get; init; }

    /// <summary>What each block reads of text and image, where it was read before.</summary>
    internal IReadOnlyDictionary<WanBlock, TextKeys>? Keys { get; init; }

    public override WanState With(Tensor x) =>
        new()
        {
            X = x,
            Modulation = Modulation,
            Time = Time,
            Text = Text,
            Image = Image,
            Cos = Cos,
            Sin = Sin,
            Inside = Inside,
            Keys = Keys,
        };
}

/// <summary>
/// Wan's self- or cross-attention: q/k RMS norm over the whole width, then heads. Reference: wan/modules/model.py.
/// </summary>
public sealed class WanAttention(Weights w, WanConfig c, AttentionPattern? pattern)
{
    private readonly Linear q = new(w / "q", c.Dim, c.Dim),
        k = new(w / "k", c.Dim, c.Dim);
    private readonly Linear v = new(w / "v", c.Dim, c.Dim),
        o = new(w / "o", c.Dim, c.Dim);
    private readonly RmsNorm normQ = new(w / "norm_q", c.Dim, c.Eps),
        normK = new(w / "norm_k", c.Dim, c.Eps);

    private readonly WanImageKeys? image = pattern is null && c.ClipDim > 0 ? new(w, c) : null;

    private Tensor Heads(Tensor x) => x.reshape(x.size(0), x.size(1), c.Heads, c.HeadDim);

    public Tensor Self(Tensor x, Tensor cos, Tensor sin, int frames)
    {
        var query = Heads(normQ.Forward(q.Forward(x), cos, sin));
        var key = Heads(normK.Forward(k.Forward(x), cos, sin));
        var value = Heads(v.Forward(x));
        return Out(pattern!.Attend(query, key, value, frames));
    }

    /// <summary>Another self-attention, which also rotates.</summary>
    public Tensor Self(Tensor x, SelfAttention attend) =>
        Out(attend(Heads(normQ.Forward(q.Forward(x))), Heads(normK.Forward(k.Forward(x))), Heads(v.Forward(x))));

    public Tensor Cross(Tensor x, TextKeys keys) => Out(keys.Attend(Heads(normQ.Forward(q.Forward(x)))));

    /// <summary>
    /// What <see cref="Cross"/> reads of text and image [B, L, D]; the same for all steps and frames of a prompt.
    /// </summary>
    public TextKeys Keys(Tensor text, Tensor? picture = null)
    {
        var (tk, tv) = (Heads(normK.Forward(k.Forward(text))), Heads(v.Forward(text)));
        return image is null ? new(tk, tv) : new(tk, tv, Heads(image.K(picture!)), Heads(image.V(picture!)));
    }

    private Tensor Out(Tensor heads) => o.Forward(heads.reshape(heads.size(0), heads.size(1), c.Dim));
}

/// <summary>One block: modulated self-attention, cross-attention to the text, modulated MLP.</summary>
public sealed class WanBlock(Weights w, WanConfig c, AttentionPattern pattern) : IBlock
{
    private readonly WanAttention self = new(w / "self_attn", c, pattern),
        cross = new(w / "cross_attn", c, null);
    private readonly AffineLayerNorm norm3 = new(w / "norm3", c.Dim, c.Eps);
    private readonly Linear up = new(w / "ffn" / 0, c.Dim, c.FfnDim),
        down = new(w / "ffn" / 2, c.FfnDim, c.Dim);
    private readonly Tensor modulation = w.Parameter("modulation", [1, 6, c.Dim], 1 / Math.Sqrt(c.Dim));

    /// <summary>Keys and values of the text (and an image) in this block, to be given to many forwards.</summary>
    public TextKeys Keys(Tensor text, Tensor? picture = null) => cross.Keys(text, picture);

    /// <summary>
    /// With <paramref name="attend"/>, another self-attention than all to all.
    /// A config that asks for it has everything but the block's inputs computed again in backward.
    /// </summary>
    public TransformerState Forward(TransformerState state, SelfAttention? attend = null)
    {
        var s = (WanState)state;
        if (!c.Recompute || s.Keys is not null)
            return s.With(Run(s, attend));
        Tensor[] inputs =
        [
            s.X,
            s.Modulation,
            s.Time,
            s.Text,
            s.Cos,
            s.Sin,
            .. s.Image is null ? Array.Empty<Tensor>() : [s.Image],
        ];
        return s.With(
            Recompute.Run(
                t =>
                    Run(
                        new WanState
                        {
                            X = t[0],
                            Modulation = t[1],
                            Time = t[2],
                            Text = t[3],
                            Cos = t[4],
                            Sin = t[5],
                            Image = t.Length > 6 ? t[6] : null,
                        },
                        attend
                    ),
                inputs
            )
        );
    }

    // A scope a part: without a graph no more than one part's tensors are there at a time, and a minute has gigabytes
    // of each.
    private Tensor Run(WanState s, SelfAttention? attend)
    {
        using var scope = torch.NewDisposeScope();
        var (b, t, n, d) = s.X;
        var compute = s.Text.dtype;
        var m = (s.Modulation + modulation.to(ScalarType.Float32).unsqueeze(0)).unsqueeze(3).unbind(2);
        Tensor Flat(Tensor x) => x.reshape(b, t * n, d);
        Tensor Grid(Tensor x) => x.reshape(b, t, n, d);
        Tensor Norm(Tensor x, Tensor shift, Tensor scale) =>
            Flat(Elementwise.LayerNorm(x, scale, shift, 1, c.Eps, compute));

        var x = Attended();
        x = Replaced(x, Crossed(x));
        return Replaced(x, Fed(x)).MoveToOuterDisposeScope();

        Tensor Attended()
        {
            using var inner = torch.NewDisposeScope();
            var h = Norm(s.X, m[0], m[1]);
            return Elementwise
                .GatedAdd(s.X, Grid(attend is null ? self.Self(h, s.Cos, s.Sin, (int)t) : self.Self(h, attend)), m[2])
                .MoveToOuterDisposeScope();
        }

        Tensor Crossed(Tensor x)
        {
            using var inner = torch.NewDisposeScope();
            return Elementwise
                .GatedAdd(
                    x,
                    Grid(cross.Cross(Flat(norm3.Forward(x, compute)), s.Keys?[this] ?? cross.Keys(s.Text, s.Image)))
                )
                .MoveToOuterDisposeScope();
        }

        Tensor Fed(Tensor x)
        {
            using var inner = torch.NewDisposeScope();
            var y = up.Forward(Norm(x, m[3], m[4]));
            return Elementwise
                .GatedAdd(x, Grid(down.Forward(Elementwise.Gelu(y, tanh: true))), m[5])
                .MoveToOuterDisposeScope();
        }

        static Tensor Replaced(Tensor before, Tensor after)
        {
            before.Dispose();
            return after;
        }
    }
}

/// <summary>The output layer: norm, its own modulation added to the time embedding, linear to patches.</summary>
public sealed class WanHead(Weights w, WanConfig c) : IOutput
{
    private readonly Tensor modulation = Modulation(w, c);
    private readonly Linear linear = new(w / "head", c.Dim, c.PatchVolume * c.OutChannels, std: 0);

    public Tensor Forward(TransformerState state, Tensor x, Tensor timesteps) =>
        Pictures(linear.Forward(Normalised((WanState)state, modulation, c)), x, c);

    internal static Tensor Modulation(Weights w, WanConfig c) =>
        w.Parameter("modulation", [1, 2, c.Dim], 1 / Math.Sqrt(c.Dim));

    /// <summary>Tokens [B, T, S, D], normalised and modulated, in float32.</summary>
    internal static Tensor Normalised(WanState s, Tensor modulation, WanConfig c)
    {
        var m = (s.Time.unsqueeze(2) + modulation.to(ScalarType.Float32).unsqueeze(0)).unbind(2);
        return Elementwise.LayerNorm(s.X, m[1].unsqueeze(2), m[0].unsqueeze(2), 1, c.Eps, ScalarType.Float32);
    }

    /// <summary>
    /// Patches [B, T, S, p] back to [B, C, T, H, W], the last dimension being (patch t, patch h, patch w, channel).
    /// </summary>
    internal static Tensor Pictures(Tensor patches, Tensor x, WanConfig c)
    {
        var (pt, ph, pw) = (c.PatchSize[0], c.PatchSize[1], c.PatchSize[2]);
        var (b, _, t, h, w) = x;
        return patches
            .reshape([b, t / pt, h / ph, w / pw, pt, ph, pw, c.OutChannels])
            .permute(0, 7, 1, 4, 2, 5, 3, 6)
            .reshape(b, c.OutChannels, t, h, w);
    }
}
