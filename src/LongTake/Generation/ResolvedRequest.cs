using System.Text.Json.Serialization;
using LongTake.Checkpoints;
using LongTake.Methods;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>
/// A request with a value for everything, made once by <see cref="VideoRequest.Resolve(ModelFiles)"/>; all that follows
/// reads it. As JSON it says how a video is made.
/// </summary>
public sealed record ResolvedRequest
{
    internal const double FewStepShift = 5;

    /// <summary>The model's config with the size, rate and shift of this video.</summary>
    [JsonIgnore]
    public ModelConfig Model { get; init; } = new();

    /// <summary>The part of the checkpoint that makes the video; null where only a config is known.</summary>
    [JsonIgnore]
    public ModelPart? Weights { get; init; }

    public required string Prompt { get; init; }
    public required string NegativePrompt { get; init; }
    public required long Seed { get; init; }
    public required int Frames { get; init; }
    public int Width => Model.Width;
    public int Height => Model.Height;
    public double Fps => Model.Fps;
    public required Network Network { get; init; }
    public string? Part => Weights?.Name;
    public required Sampler Sampler { get; init; }
    public required int Steps { get; init; }

    /// <summary>Timesteps of the samplers of few steps; empty for solvers, which make their own.</summary>
    public required IReadOnlyList<double> Timesteps { get; init; }
    public double Shift => Model.Shift;
    public required double Guidance { get; init; }
    public required int FmSteps { get; init; }
    public required bool Int8 { get; init; }
    public IReadOnlyList<string> Loras { get; init; } = [];
    public string? Image { get; init; }

    /// <summary>Side of the autoencoder's tiles in pixels; 0 for whole pictures.</summary>
    public required int Tile { get; init; }

    /// <summary>What the video shows, one prompt after the other; more than one only of a script.</summary>
    [JsonIgnore]
    public IReadOnlyList<ScriptScene> Scenes { get; init; } = [];

    /// <summary>The prompts of a schedule; empty for any other prompt.</summary>
    [JsonIgnore]
    public IReadOnlyList<PromptStart> Spans { get; init; } = [];

    /// <summary>What is asked for and this model will not do, a sentence each.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Latents of the video.</summary>
    [JsonIgnore]
    public int Latents => (int)Model.Geometry.Latents(Frames);

    /// <summary>Side of the autoencoder's tiles in latent pixels.</summary>
    [JsonIgnore]
    public int TileSide => Tile / Model.Geometry.SpatialStride;

    /// <summary>Whether a short teacher makes the video window by window.</summary>
    [JsonIgnore]
    public bool RolledOut => !Sampler.LooksBack() && Network == Network.Teacher && Latents > Model.ClipLatents;

    internal Head Head => Network == Network.FmHead ? Head.FlowMatching : Head.DistributionMatching;

    internal bool HasHeads => Network is Network.DmHead or Network.FmHead;

    /// <summary>How a model that looks back only is sampled for this video.</summary>
    public CausalSampling Causal()
    {
        var capacity = Model.ClipLatents / Model.CausalBlock * Model.CausalBlock;
        var how = new CausalSampling
        {
            Shift = Shift,
            BlockFrames = Model.CausalBlock,
            Capacity = capacity,
            Timesteps = [.. Timesteps],
            Window = Sampler == Sampler.Causal && Latents > capacity ? capacity : 0,
        };
        return Sampler == Sampler.InfinityRope ? InfinityRope.Sampling(how) : how;
    }
}
