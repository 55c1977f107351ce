using LongTake.Models.Miniature;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Models;

/// <summary>
/// A family of video models, in the sizes that a <see cref="ModelConfig"/> gives it: all that generation, methods, data
/// and planning need to know of one. A further family is a folder with one class derived from this, and a line in
/// <see cref="Families"/>.
/// </summary>
public abstract class VideoModel
{
    /// <summary>The families by the name that a configuration gives ("family").</summary>
    public static IDictionary<string, Func<ModelConfig, VideoModel>> Families { get; } =
        new Dictionary<string, Func<ModelConfig, VideoModel>>
        {
            ["Wan"] = c => new WanModel(c.Wan, c.Vae),
            ["Miniature"] = c => new MiniatureModel(c),
        };

    /// <summary>The family and sizes of a configuration.</summary>
    /// <exception cref="UserException">No family has that name.</exception>
    public static VideoModel Of(ModelConfig config) =>
        Families.TryGetValue(config.Family, out var make)
            ? make(config)
            : throw new UserException(
                $"family '{config.Family}': known are {string.Join(", ", Families.Keys)}",
                usage: true
            );

    /// <summary>Sizes and strides of latents and pictures.</summary>
    public abstract LatentGeometry Geometry { get; }

    /// <summary>Latents, latent rows and latent columns of a token.</summary>
    public abstract IReadOnlyList<int> Patch { get; }

    /// <summary>Latents of the longest video that positions tell apart; 0 for any length.</summary>
    public virtual int Longest => 0;

    /// <summary>Blocks of the transformer, of which a student's heads take the last ones.</summary>
    public abstract int Blocks { get; }

    /// <summary>Tokens of a text at most.</summary>
    public abstract int TextLength { get; }

    /// <summary>Which tokens attend to which, and their rotary positions.</summary>
    public abstract AttentionPattern Attention { get; }

    /// <summary>What comes before the first block: patches, time, text.</summary>
    public abstract IEmbedding Embedding(Weights w, ScalarType compute);

    /// <summary>One transformer block.</summary>
    public abstract IBlock Block(Weights w);

    /// <summary>What comes after the last block: tokens to velocity.</summary>
    public abstract IOutput Output(Weights w);

    /// <summary>
    /// The autoencoder between videos and latents; <paramref name="compute"/> is the type inside (null: that of the
    /// weights).
    /// </summary>
    public abstract VideoAutoencoder Autoencoder(Weights w, ScalarType? compute = null);

    /// <summary>
    /// This family for a transformer that makes frames one after the other, each seeing earlier ones only (<see
    /// cref="CausalTransformer"/>).
    /// </summary>
    /// <exception cref="UserException">The family, or these sizes of it, cannot do that.</exception>
    public virtual VideoModel Causal() =>
        throw new UserException($"{GetType().Name} makes whole videos only, not frame after frame", usage: true);

    /// <summary>What is wrong with these sizes, if anything.</summary>
    public virtual IEnumerable<string> Problems() => [];
}

/// <summary>
/// Sizes and strides of a family's latents: a video of F = 1 + TemporalStride k pictures has k + 1 latents, the first
/// of one picture.
/// </summary>
/// <param name="Channels">Channels of a latent.</param>
/// <param name="TemporalStride">Pictures of every latent but the first.</param>
/// <param name="SpatialStride">Pixels of a latent pixel's side.</param>
/// <param name="WarmUp">Latents decoded before the one whose last picture is encoded again.</param>
/// <param name="FixedSize">Whether pictures have the configuration's size and no other.</param>
public sealed record LatentGeometry(
    int Channels,
    int TemporalStride,
    int SpatialStride,
    int WarmUp,
    bool FixedSize = false
)
{
    /// <summary>Pictures that so many latents decode to.</summary>
    public long Frames(long latents) => 1 + (latents - 1) * TemporalStride;

    /// <summary>Latents of so many pictures.</summary>
    public long Latents(long frames) => 1 + (frames - 1) / TemporalStride;
}

/// <summary>Tokens [B, T, S, D] in float32 between blocks, and whatever else a family's blocks pass on.</summary>
public abstract class TransformerState
{
    public required Tensor X { get; init; }

    /// <summary>This state with other tokens.</summary>
    public abstract TransformerState With(Tensor x);
}

/// <summary>
/// A prompt as a transformer reads it at every step: embedded, with the keys and values of every block, made once.
/// </summary>
public abstract class EncodedPrompt;

/// <summary>
/// What an image-to-video model is given of its image: tokens of the image encoder [B, N, dim], and latents with their
/// mask [B, C, T, H, W].
/// </summary>
public sealed record ImageCondition(Tensor Tokens, Tensor Latents);

/// <summary>
/// Self-attention other than the family's own: queries, keys (both not yet rotated) and values, each [B, N, heads, d],
/// to [B, N, heads, d].
/// </summary>
public delegate Tensor SelfAttention(Tensor q, Tensor k, Tensor v);

/// <summary>Latents, timesteps and text to the state that the first block takes.</summary>
public interface IEmbedding
{
    /// <summary>
    /// x [B, C, T, H, W]; timesteps 1000 sigma, [B] or one a latent frame [B, T]; text [B, L, textDim], rows beyond the
    /// words zero.
    /// </summary>
    TransformerState Forward(Tensor x, Tensor timesteps, Tensor text, ImageCondition? image = null);

    /// <summary>
    /// With a prompt that was read before; <paramref name="inside"/> says that x is from inside a video, not from its
    /// first frame on.
    /// </summary>
    TransformerState Forward(
        Tensor x,
        Tensor timesteps,
        EncodedPrompt prompt,
        ImageCondition? image = null,
        bool inside = false
    );

    /// <summary>Reads a text and an image for many steps of <paramref name="blocks"/>.</summary>
    EncodedPrompt Prompt(Tensor text, ImageCondition? image, IEnumerable<IBlock> blocks);
}

/// <summary>One transformer block.</summary>
public interface IBlock
{
    /// <summary>With <paramref name="attend"/>, another self-attention than the family's own.</summary>
    TransformerState Forward(TransformerState state, SelfAttention? attend = null);
}

/// <summary>The output layer.</summary>
public interface IOutput
{
    /// <summary>The velocity [B, C, T, H, W] in float32, of latents x at timesteps [B] or [B, T].</summary>
    Tensor Forward(TransformerState state, Tensor x, Tensor timesteps);
}
