using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>Everything before the first block: patches, time, text, rotary tables.</summary>
public sealed class WanEmbedding(Weights w, WanConfig c, IPatches patches, AttentionPattern pattern, ScalarType compute)
    : IEmbedding
{
    private readonly Linear text0 = new(w / "text_embedding" / 0, c.TextDim, c.Dim);
    private readonly Linear text2 = new(w / "text_embedding" / 2, c.Dim, c.Dim);
    private readonly Linear time0 = new(w / "time_embedding" / 0, c.FreqDim, c.Dim);
    private readonly Linear time2 = new(w / "time_embedding" / 2, c.Dim, c.Dim);
    private readonly Linear project = new(w / "time_projection" / 1, c.Dim, 6 * c.Dim, std: 0.02);
    private readonly WanImageEmbedding? pictures = c.ClipDim > 0 ? new(w / "img_emb", c) : null;

    public TransformerState Forward(Tensor x, Tensor timesteps, Tensor text, ImageCondition? image = null)
    {
        var picture = Picture(image);
        return State(With(x, image), timesteps, Text(text), picture);
    }

    public TransformerState Forward(
        Tensor x,
        Tensor timesteps,
        EncodedPrompt prompt,
        ImageCondition? image = null,
        bool inside = false
    )
    {
        var read = (WanPrompt)prompt;
        return State(With(x, image), timesteps, read.Text, null, inside, read.Keys);
    }

    public EncodedPrompt Prompt(Tensor text, ImageCondition? image, IEnumerable<IBlock> blocks) =>
        new WanPrompt(Text(text), Picture(image), blocks);

    private static Tensor With(Tensor x, ImageCondition? image) => image is null ? x : torch.cat([x, image.Latents], 1);

    private Tensor? Picture(ImageCondition? image)
    {
        if (pictures is null != image is null)
            throw new UserException(
                pictures is null
                    ? "this is a text-to-video model: it takes no image"
                    : "this is an image-to-video model: give an image"
            );
        return image is null ? null : pictures!.Forward(image.Tokens.to(compute));
    }

    private WanState State(
        Tensor x,
        Tensor timesteps,
        Tensor text,
        Tensor? picture,
        bool inside = false,
        IReadOnlyDictionary<WanBlock, TextKeys>? keys = null
    )
    {
        var tokens = patches.Forward(x, inside);
        var steps = timesteps.ndim == 1 ? timesteps.unsqueeze(1) : timesteps;
        var e = time2.Forward(time0.Forward(Sinusoid(steps, c.FreqDim)).silu());
        var modulation = project.Forward(e.silu()).reshape(tokens.size(0), steps.size(1), 6, c.Dim);
        var (height, width) = ((int)x.size(3) / c.PatchSize[1], (int)x.size(4) / c.PatchSize[2]);
        var (cos, sin) = pattern.Table((int)tokens.size(1), height, width, x.device);
        return new()
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
