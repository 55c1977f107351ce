using LongTake.Models.Miniature;
using LongTake.Models.Text;
using System.Text.Json.Serialization;

namespace LongTake.Models.Wan;

/// <summary>Sizes of a Wan transformer; the defaults are Wan 2.1 T2V 1.3B.</summary>
public sealed record WanConfig
{
    public int[] PatchSize { get; init; } = [1, 2, 2];
    public int TextLength { get; init; } = 512;
    public int InChannels { get; init; } = 16;
    public int OutChannels { get; init; } = 16;
    public int Dim { get; init; } = 1536;
    public int FfnDim { get; init; } = 8960;
    public int FreqDim { get; init; } = 256;
    public int TextDim { get; init; } = 4096;
    public int Heads { get; init; } = 12;
    public int Layers { get; init; } = 30;
    public double Eps { get; init; } = 1e-6;

    /// <summary>
    /// Width of the CLIP tokens of an image-to-video model (1280, with 36 input channels); 0 for text-to-video.
    /// </summary>
    public int ClipDim { get; init; }

    /// <summary>
    /// Option of the miniature, off for Wan: the network gives the part of v that x_t and sigma do not already tell.
    /// </summary>
    public bool SkipPreconditioning { get; init; }

    /// <summary>
    /// Option of the miniature, off (0) for Wan: sequences longer than this many latents also get their absolute place
    /// in the video as an input. Rotary positions alone are relative.
    /// </summary>
    public int AbsoluteTimeBeyond { get; init; }

    /// <summary>
    /// Option of the miniature, off (0) for Wan: tokens of a latent frame (one fixed picture size), each with patch and
    /// output maps of its own.
    /// </summary>
    public int Places { get; init; }

    /// <summary>
    /// Option of the miniature, off for Wan: the first half of the heads attend along time at their own place only, the
    /// others within their own latent frame.
    /// </summary>
    public bool AxialAttention { get; init; }

    /// <summary>Latents of the longest video, the unit of the absolute place.</summary>
    public int VideoLatents { get; init; } = 245;

    /// <summary>
    /// Backward computes each block again from its input instead of keeping what the block made: a few tensors a block
    /// instead of some twenty, for one more forward. A choice of who trains, not of the model; gradients are the same.
    /// </summary>
    [JsonIgnore]
    public bool Recompute { get; init; }

    [JsonIgnore]
    public int HeadDim => Dim / Heads;

    [JsonIgnore]
    internal int PatchVolume => PatchSize[0] * PatchSize[1] * PatchSize[2];

    /// <summary>What is wrong with these sizes, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (Dim % Heads != 0)
            yield return $"dim {Dim} must be a multiple of heads {Heads}";
        else if (HeadDim % 2 != 0 || HeadDim < 6)
            yield return $"dim / heads = {HeadDim} must be even and at least 6";
        if (AxialAttention && Heads < 2)
            yield return $"heads {Heads}: axialAttention needs two at least";
        if (PatchSize.Length != 3 || PatchSize.Any(p => p < 1))
            yield return "patchSize needs three positive numbers (time, height, width)";
        if (Places > 0 && PatchSize is not [1, ..])
            yield return $"places {Places}: they need a patch of one latent frame, for the first one is the image "
                + $"latent";
        if (FreqDim % 2 != 0)
            yield return $"freqDim {FreqDim} must be even";
    }
}
