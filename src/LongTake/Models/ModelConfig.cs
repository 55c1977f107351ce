using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

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

    /// <summary>Latents of the teacher's clips, and of the windows it scores.</summary>
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

    /// <summary>The family of its networks: one of <see cref="VideoModel.Families"/>.</summary>
    public string Family { get; init; } = "Wan";
    public WanConfig Wan { get; init; } = new();

    /// <summary>What the family "Miniature" has beside Wan's sizes; null for others.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MiniatureConfig? Miniature { get; init; }

    /// <summary>False of an autoencoder that is fitted in closed form.</summary>
    internal bool AutoencoderTrains => Miniature?.Autoencoder is not MiniatureVaeKind.Linear;

    /// <summary>Sizes of another family, which reads them itself; null for Wan and Miniature.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonObject? Sizes { get; init; }

    /// <summary>The family in these sizes.</summary>
    [JsonIgnore]
    public VideoModel Model => VideoModel.Of(this);

    /// <summary>Sizes and strides of the latents.</summary>
    [JsonIgnore]
    public LatentGeometry Geometry => Model.Geometry;

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
    public int Frames(int latents) => 1 + (latents - 1) * Geometry.TemporalStride;

    /// <summary>The first latent whose frames are all shown at <paramref name="seconds"/> or later.</summary>
    public int FirstLatent(double seconds) =>
        seconds <= 0 ? 0 : 1 + (int)Math.Ceiling((seconds * Fps - 1 - 1e-6) / Geometry.TemporalStride);

    /// <summary>The latent after the last one whose frames are all shown before <paramref name="seconds"/>.</summary>
    public int EndLatent(double seconds) =>
        1 + (int)Math.Floor((Math.Ceiling(seconds * Fps - 1e-6) - 1) / Geometry.TemporalStride);

    /// <summary>Latents of the video nearest to <paramref name="seconds"/>.</summary>
    public int Latents(double seconds) =>
        Math.Max(1, 1 + (int)Math.Round((seconds * Fps - 1) / Geometry.TemporalStride));

    /// <summary>What is wrong with these sizes, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (!VideoModel.Families.ContainsKey(Family))
        {
            yield return $"family '{Family}': known are {string.Join(", ", VideoModel.Families.Keys)}";
            yield break;
        }
        if (Miniature is not null && Family != "Miniature")
            yield return $"miniature: the family {Family} does not read it; set family to Miniature, or leave it out";
        if (Sizes is not null && Family is ("Wan" or "Miniature"))
            yield return $"sizes: the family {Family} does not read them; its sizes are \"wan\" and \"vae\"";
        if (Wan.Problems().Any())
        {
            foreach (var problem in Wan.Problems())
                yield return $"wan: {problem}";
            yield break;
        }
        foreach (var problem in Model.Problems())
            yield return problem;
        if (Fps <= 0)
            yield return $"fps {Fps}: must be positive";
        if (ClipLatents < 1 || VideoLatents < ClipLatents)
            yield return $"clipLatents {ClipLatents}, videoLatents {VideoLatents}: a clip has at least 1 and a video "
                + $"at least as many as a clip";
        if (CausalBlock < 1)
            yield return $"causalBlock {CausalBlock}: at least 1";
        if (Clip is not null && Wan.ClipDim > 0 && Clip.Dim != Wan.ClipDim)
            yield return $"wan.clipDim {Wan.ClipDim}: the image encoder gives clip.dim = {Clip.Dim}";
        if (Text.Dim != Wan.TextDim)
            yield return $"wan.textDim {Wan.TextDim}: the text encoder gives text.dim = {Text.Dim}";
        if (HeadBlocks < 1 || HeadBlocks >= Model.Blocks)
            yield return $"headBlocks {HeadBlocks}: a head needs 1 to {Model.Blocks - 1} of the {Model.Blocks} blocks";
        if (Model.Patch is not [> 0, > 0 and var down, > 0 and var across])
            yield break;
        var stride = Geometry.SpatialStride;
        if (Height <= 0 || Height % (stride * down) != 0)
            yield return $"height {Height}: must be a multiple of {stride * down}";
        if (Width <= 0 || Width % (stride * across) != 0)
            yield return $"width {Width}: must be a multiple of {stride * across}";
    }

    /// <summary>Shape of the latents of a video, [1, C, T, h, w].</summary>
    public long[] LatentShape(int latents) =>
        [1, Geometry.Channels, latents, Height / Geometry.SpatialStride, Width / Geometry.SpatialStride];
}

[JsonSerializable(typeof(ModelConfig))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
public sealed partial class ModelJson : JsonSerializerContext;
