namespace LongTake.Models.Miniature;

/// <summary>What the miniature's autoencoder is made of.</summary>
public enum MiniatureVaeKind
{
    /// <summary>Wan's convolutions.</summary>
    Wan,

    /// <summary>Wan's convolutions, and principal components of blocks of pixels beside them.</summary>
    WanAndLinear,

    /// <summary>Principal components of blocks of pixels alone: nothing is trained.</summary>
    Linear,
}

/// <summary>
/// What the miniature has beside the sizes of Wan's parts: it is made for one small picture and trained on a laptop.
/// </summary>
public sealed record MiniatureConfig
{
    /// <summary>Tokens of a latent frame, each with patch and output weights of its own.</summary>
    public int Tokens { get; init; } = 8;

    /// <summary>
    /// Whether what is a place's own otherwise, the basis of the autoencoder's components and the patch and output
    /// weights, is one for each row of the picture: what moves sideways then keeps its channels.
    /// </summary>
    public bool SharedRows { get; init; }

    /// <summary>
    /// Sequences longer than this many latents also get their position in the video as an input; rotary positions alone
    /// are relative. 0 for never.
    /// </summary>
    public int AbsoluteTimeBeyond { get; init; }

    /// <summary>What the autoencoder is made of.</summary>
    public MiniatureVaeKind Autoencoder { get; init; }
}
