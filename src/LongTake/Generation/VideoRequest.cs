using System.ComponentModel;
using LongTake.Checkpoints;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>
/// A video to make. What is null is left to the model; <see cref="Resolve(ModelFiles)"/> gives everything
/// a value. The descriptions are the help of the program's options.
/// </summary>
public sealed record VideoRequest
{
    [Description(
        "what the video shows; models that look back only also take scenes: 'a man walks[5s] | he sits[10s#]', "
            + "# is a cut"
    )]
    public required string Prompt { get; init; }

    [Description("what the video must not show; counts with guidance only")]
    public string? NegativePrompt { get; init; }

    [Description("seed of the noise; the same seed gives the same video; -1 draws one; without it 0")]
    public long? Seed { get; init; }

    [Description("length in seconds")]
    public double? Seconds { get; init; }

    [Description("length in frames, 4k+1: 81, 977, ...")]
    public int? Frames { get; init; }

    [Description("width in pixels")]
    public int? Width { get; init; }

    [Description("height in pixels")]
    public int? Height { get; init; }

    [Description("frames a second")]
    public double? Fps { get; init; }

    [Description("sampling steps; without it the model's few steps, or 50 with a solver")]
    public int? Steps { get; init; }

    [Description("classifier-free guidance; 1 is none")]
    public double? Guidance { get; init; }

    [Description("shift of the noise levels; Wan: 3 at 480p, 5 at 720p")]
    public double? Shift { get; init; }

    [Description("how to sample")]
    public Sampler? Sampler { get; init; }

    [Description("which network makes the video; without it the one trained last")]
    public Network? Network { get; init; }

    [Description("which transformer, where a checkpoint holds several: generator_ema, ...")]
    public string? Part { get; init; }

    [Description("picture the video starts from (image-to-video models); without a size the video takes its shape")]
    public string? Image { get; init; }

    [Description(
        "side in pixels of the tiles the autoencoder works in; 0: whole pictures; without it 256 beyond 832x480"
    )]
    public int? Tile { get; init; }

    [Description("LoRA added to the transformer: FILE or FILE=STRENGTH; may be repeated")]
    public IReadOnlyList<string> Loras { get; init; } = [];

    [Description("first steps that the flow-matching head makes (hybrid sampling)")]
    public int FmSteps { get; init; }

    [Description("allow four times the length that the model was trained for")]
    public bool Beyond { get; init; }

    [Description("keep the transformer's matrices as int8 (CPU only): less memory, with a loss")]
    public bool Int8 { get; init; }

    /// <summary>The request with a value for everything, as a model takes it.</summary>
    /// <exception cref="RequestException">The model cannot do what is asked for; every mistake is named.</exception>
    /// <exception cref="UserException">The network is not there.</exception>
    public ResolvedRequest Resolve(ModelFiles files) => RequestResolver.Resolve(this, files, check: true);

    /// <summary>
    /// The request with a value for everything, from a config alone: for planning before weights are there. Without a
    /// network it is of the distribution-matching head.
    /// </summary>
    /// <exception cref="RequestException">The model cannot do what is asked for; every mistake is named.</exception>
    public ResolvedRequest Resolve(ModelConfig config) => RequestResolver.Resolve(this, config);

    /// <summary>What is wrong with the request for a model, if anything.</summary>
    public IEnumerable<Mistake> Problems(ModelConfig config) => RequestProblems.Of(this, config);
}
