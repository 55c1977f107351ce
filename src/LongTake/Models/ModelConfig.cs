using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LongTake.Models;

/// <summary>
/// Everything a model folder says about itself: picture, time, sizes of its parts, how its student is sampled.
/// </summary>
public sealed record ModelConfig
{
    public string Name { get; init; } = "traveller";
    public double Fps { get; init; } = 8;
    public int Width { get; init; } = 32;
    public int Height { get; init; } = 32;

    /// <summary>Latents the short teacher knows: the length of its clips and of the windows it judges.</summary>
    public int ClipLatents { get; init; } = 11;

    /// <summary>Latents of the longest video.</summary>
    public int VideoLatents { get; init; } = 123;

    /// <summary>Timesteps (1000 sigma) of the few-step sampler.</summary>
    public double[] FewSteps { get; init; } = [1000, 900, 750, 500];

    /// <summary>Shift of the many-step sampler.</summary>
    public double Shift { get; init; } = 3;

    /// <summary>Guidance of a transformer with the many-step sampler, standard convention; 1 is none.</summary>
    public double Guidance { get; init; } = 1;

    /// <summary>What guidance leads away from, when nobody says otherwise.</summary>
    public string NegativePrompt { get; init; } = "";
    public WanConfig Wan { get; init; } = new();

    /// <summary>Latents that a causal transformer makes at a time.</summary>
    public int CausalBlock { get; init; } = 3;

    /// <summary>Blocks of each of the student's heads.</summary>
    public int HeadBlocks { get; init; } = 2;
    public WanVaeConfig Vae { get; init; } = new();
    public UmT5Config Text { get; init; } = new();

    /// <summary>How pictures are read, of image-to-video models; null for others.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ClipConfig? Clip { get; init; }

    /// <summary>Frames of a video of so many latents.</summary>
    public int Frames(int latents) => 1 + (latents - 1) * Vae.TemporalStride;

    /// <summary>Latents of the video nearest to <paramref name="seconds"/>.</summary>
    public int Latents(double seconds) => Math.Max(1, 1 + (int)Math.Round((seconds * Fps - 1) / Vae.TemporalStride));

    /// <summary>What is wrong with these sizes, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        foreach (var problem in Wan.Problems())
            yield return $"wan: {problem}";
        if (Fps <= 0)
            yield return $"fps {Fps}: must be positive";
        if (ClipLatents < 1 || VideoLatents < ClipLatents)
            yield return $"clipLatents {ClipLatents}, videoLatents {VideoLatents}: a clip has at least 1 and a video "
                + $"at least as many as a clip";
        if (CausalBlock < 1)
            yield return $"causalBlock {CausalBlock}: at least 1";
        if (Vae.TemporalDownsample.Length != Vae.DimMult.Length - 1)
            yield return $"vae.temporalDownsample has {Vae.TemporalDownsample.Length} entries, vae.dimMult "
                + $"{Vae.DimMult.Length}; it needs one fewer";
        if (Vae.ZDim != Wan.OutChannels)
            yield return $"wan.outChannels {Wan.OutChannels}: the autoencoder's latents have vae.zDim = "
                + $"{Vae.ZDim} channels";
        if (Clip is not null && Wan.ClipDim > 0 && Clip.Dim != Wan.ClipDim)
            yield return $"wan.clipDim {Wan.ClipDim}: the image encoder gives clip.dim = {Clip.Dim}";
        if (Text.Dim != Wan.TextDim)
            yield return $"wan.textDim {Wan.TextDim}: the text encoder gives text.dim = {Text.Dim}";
        if (HeadBlocks < 1 || HeadBlocks >= Wan.Layers)
            yield return $"headBlocks {HeadBlocks}: a head needs 1 to {Wan.Layers - 1} of the {Wan.Layers} blocks";
        if (Wan.PatchSize is not [> 0, > 0 and var down, > 0 and var across])
            yield break;
        if (Height <= 0 || Height % (Vae.SpatialStride * down) != 0)
            yield return $"height {Height}: must be a multiple of {Vae.SpatialStride * down}";
        if (
            Wan.Places > 0
            && Wan.Places != Height / (Vae.SpatialStride * down) * (Width / (Vae.SpatialStride * across))
        )
            yield return $"wan.places {Wan.Places}: a picture of {Width}x{Height} has "
                + $"{Height / (Vae.SpatialStride * down) * (Width / (Vae.SpatialStride * across))} tokens";
        if (Width <= 0 || Width % (Vae.SpatialStride * across) != 0)
            yield return $"width {Width}: must be a multiple of {Vae.SpatialStride * across}";
    }

    /// <summary>Shape of the latents of a video, [1, C, T, h, w].</summary>
    public long[] LatentShape(int latents) =>
        [1, Vae.ZDim, latents, Height / Vae.SpatialStride, Width / Vae.SpatialStride];
}

[JsonSerializable(typeof(ModelConfig))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class ModelJson : JsonSerializerContext;
