using System.Text.Json.Serialization;
using LongTake.Models.Text;

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
        if (PatchSize.Length != 3 || PatchSize.Any(p => p < 1))
            yield return "patchSize needs three positive numbers (time, height, width)";
        if (FreqDim % 2 != 0)
            yield return $"freqDim {FreqDim} must be even";
    }
}
