using System.Text.Json;
using System.Text.Json.Serialization;

namespace LongTake.Models;

/// <summary>Everything a model folder says about itself: picture, time, sizes of its parts, how its student is sampled.</summary>
public sealed record ModelConfig
{
    public string Name { get; init; } = "traveller";
    public double Fps { get; init; } = 8;
    public int Width { get; init; } = 32;
    public int Height { get; init; } = 32;
    /// <summary>Latents the short teacher knows: the length of its clips and of the windows it judges.</summary>
    public int ClipLatents { get; init; } = 11;
    /// <summary>Latents of the longest film.</summary>
    public int FilmLatents { get; init; } = 123;
    /// <summary>Timesteps (1000 sigma) of the few-step sampler.</summary>
    public double[] FewSteps { get; init; } = [1000, 900, 750, 500];
    /// <summary>Shift of the many-step sampler.</summary>
    public double Shift { get; init; } = 3;
    public WanConfig Wan { get; init; } = new();
    /// <summary>Blocks of each of the student's heads.</summary>
    public int HeadBlocks { get; init; } = 2;
    public WanVaeConfig Vae { get; init; } = new();
    public UmT5Config Text { get; init; } = new();

    /// <summary>Frames of a film of so many latents.</summary>
    public int Frames(int latents) => 1 + (latents - 1) * Vae.TemporalStride;

    /// <summary>Latents of the film nearest to <paramref name="seconds"/>.</summary>
    public int Latents(double seconds) => Math.Max(1, 1 + (int)Math.Round((seconds * Fps - 1) / Vae.TemporalStride));

    /// <summary>Shape of the latents of a film, [1, C, T, h, w].</summary>
    public long[] LatentShape(int latents) => [1, Vae.ZDim, latents, Height / Vae.SpatialStride, Width / Vae.SpatialStride];
}

[JsonSerializable(typeof(ModelConfig))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
public sealed partial class ModelJson : JsonSerializerContext;
