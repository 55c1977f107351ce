using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Everything before the first block: patches, time, text, rotary tables.</summary>
public sealed class WanEmbedding(Weights w, WanConfig c, ScalarType compute)
{
    private readonly PatchEmbedding patches = new(w / "patch_embedding", c, compute);
    private readonly Linear text0 = new(w / "text_embedding" / 0, c.TextDim, c.Dim),
        text2 = new(w / "text_embedding" / 2, c.Dim, c.Dim);
    private readonly Linear time0 = new(w / "time_embedding" / 0, c.FreqDim, c.Dim),
        time2 = new(w / "time_embedding" / 2, c.Dim, c.Dim);
    private readonly Linear project = new(w / "time_projection" / 1, c.Dim, 6 * c.Dim, std: 0.02);
    private readonly WanImageEmbedding? image = c.ClipDim > 0 ? new(w / "img_emb", c) : null;
    private readonly Linear? place =
        c.AbsoluteTimeBeyond > 0 ? new(w / "place", 2 * PlacePairs, c.Dim, std: 0) : null;
    private const int PlacePairs = 24;
    private ((int T, int H, int W) Size, float[] Cos, float[] Sin) table;

    /// <summary>
    /// x [B, C, T, H, W]; timesteps 1000 sigma, [B] or one per latent frame [B, T]; text [B, L, textDim] of which rows
    /// beyond the words are zero.
    /// </summary>
    public WanState Forward(Tensor x, Tensor timesteps, Tensor text, WanImage? given = null)
    {
        var picture = Picture(given);
        return Tokens(With(x, given), timesteps, Text(text), picture);
    }

    /// <summary>The same of a prompt that was read before, with this image.</summary>
    public WanState Forward(Tensor x, Tensor timesteps, WanPrompt prompt, WanImage? given = null) =>
        Tokens(With(x, given), timesteps, prompt.Text, keys: prompt.Keys);

    /// <summary>Reads a text and an image for many steps, for the blocks that will ask.</summary>
    public WanPrompt Prompt(Tensor text, WanImage? given, IEnumerable<WanBlock> blocks) =>
        new(Text(text), Picture(given), blocks);

    private static Tensor With(Tensor x, WanImage? given) => given is null ? x : torch.cat([x, given.Latents], 1);

    private Tensor? Picture(WanImage? given)
    {
        if (image is null != given is null)
            throw new UserException(
                image is null
                    ? "this is a text-to-video model: it takes no image"
                    : "this is an image-to-video model: give an image"
            );
        return given is null ? null : image!.Forward(given.Clip.to(compute));
    }

    /// <summary>
    /// The same with the text as <see cref="Text"/> gives it, and of frames <paramref name="inside"/> a video, not from
    /// its first on.
    /// </summary>
    public WanState Tokens(
        Tensor x,
        Tensor timesteps,
        Tensor text,
        Tensor? picture = null,
        bool inside = false,
        IReadOnlyDictionary<WanBlock, TextKeys>? keys = null
    )
    {
        var tokens = patches.Forward(x, inside);
        var size = ((int)tokens.size(1), (int)(x.size(3) / c.PatchSize[1]), (int)(x.size(4) / c.PatchSize[2]));
        if (place is not null && size.Item1 > c.AbsoluteTimeBeyond)
            tokens = tokens + place.Forward(Places(size.Item1).to(x.device)).unsqueeze(1);

        var steps = timesteps.ndim == 1 ? timesteps.unsqueeze(1) : timesteps;
        var e = time2.Forward(time0.Forward(Sinusoid(steps, c.FreqDim)).silu());
        var modulation = project.Forward(e.silu()).reshape(tokens.size(0), steps.size(1), 6, c.Dim);
        var (cos, sin) = Tables(size, x.device);
        return new WanState
        {
            X = tokens,
            Modulation = modulation,
            Time = e,
            Text = text,
            Image = picture,
            Cos = cos,
            Sin = sin,
            Inside = inside,
            Keys = keys,
        };
    }

    /// <summary>
    /// Text of the encoder, zero-padded to the model's text length BEFORE the MLP, as the reference does.
    /// </summary>
    public Tensor Text(Tensor text)
    {
        var missing = c.TextLength - text.size(1);
        if (missing < 0)
            throw new UserException($"a text of {text.size(1)} tokens; this model takes at most {c.TextLength}");
        var padded = missing == 0 ? text : torch.nn.functional.pad(text, [0, 0, 0, missing]);
        return text2.Forward(Elementwise.Gelu(text0.Forward(padded.to(compute)), tanh: true));
    }

    private (Tensor Cos, Tensor Sin) Tables((int T, int H, int W) size, torch.Device device)
    {
        if (table.Size != size)
        {
            var (cos, sin) = c.AxialAttention
                ? Rotary.AxialTable(c.Heads, c.HeadDim, size.T, size.H, size.W)
                : Rotary.Table(c.HeadDim, size.T, size.H, size.W);
            table = (size, cos, sin);
        }
        long[] shape = [1, size.T * size.H * size.W, c.AxialAttention ? c.Heads : 1, c.HeadDim / 2];
        return (Tensor.From<float>(table.Cos, shape).to(device), Tensor.From<float>(table.Sin, shape).to(device));
    }

    private Tensor Places(int frames)
    {
        var values = new float[frames * 2 * PlacePairs];
        for (var f = 0; f < frames; f++)
        for (var k = 0; k < PlacePairs; k++)
        {
            var angle = Math.PI * (k + 1) * f / (c.VideoLatents - 1);
            (values[f * 2 * PlacePairs + k], values[f * 2 * PlacePairs + PlacePairs + k]) = (
                (float)Math.Cos(angle),
                (float)Math.Sin(angle)
            );
        }
        return Tensor.From<float>(values, frames, 2 * PlacePairs);
    }

    /// <summary>
    /// [B, T] -> [B, T, dim]: cosines, then sines, of t 10000^(-i/(dim/2)); float64 inside. Reference:
    /// sinusoidal_embedding_1d.
    /// </summary>
    public static Tensor Sinusoid(Tensor steps, int dim)
    {
        var exponents = Enumerable.Range(0, dim / 2).Select(i => Math.Pow(10000, -(double)i / (dim / 2))).ToArray();
        var wide = ComputeDevice.Widest(steps.device);
        var angles = steps.to(wide).unsqueeze(-1) * Tensor.From<double>(exponents).to(wide).to(steps.device);
        return torch.cat([angles.cos(), angles.sin()], -1).to(ScalarType.Float32);
    }
}
