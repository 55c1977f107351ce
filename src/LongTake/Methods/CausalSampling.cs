using LongTake.Diffusion;
using LongTake.Models;
using LongTake.Models.Wan;

namespace LongTake.Methods;

/// <summary>
/// How a causal model makes a video: few steps a block, then one pass over the clean block that writes the cache.
/// </summary>
public sealed record CausalSampling
{
    /// <summary>Shift of the table by which timesteps are turned into noise levels (CausVid: 8).</summary>
    public double Shift { get; init; } = 5;

    /// <summary>Timesteps of a block; <see cref="FlowTable.Warp"/> makes them of 1000, 750, 500, 250.</summary>
    public double[] Timesteps { get; init; } = new FlowTable(5).Warp([1000, 750, 500, 250]);

    /// <summary>Latent frames of a block.</summary>
    public int BlockFrames { get; init; } = 3;

    /// <summary>
    /// Frames of the rolling cache, the block at hand counted in; 0 for a video that must fit <see cref="Capacity"/>.
    /// </summary>
    public int Window { get; init; }

    /// <summary>First frames of the video that never leave the cache.</summary>
    public int Sink { get; init; }

    /// <summary>Frames of a cache without a window.</summary>
    public int Capacity { get; init; } = 21;
    public CachePositions Positions { get; init; }

    /// <summary>A cache for one video.</summary>
    public KvCache Cache() => new(Window > 0 ? Window : Capacity, Sink, Positions, rolling: Window > 0);
}

/// <summary>What happens to the cache when another prompt takes over.</summary>
public enum PromptSwitch
{
    /// <summary>Only the first and the last two frames stay (Infinity-RoPE).</summary>
    Flush,

    /// <summary>The cache is flushed, and the new scene is far away in rotary time: a cut (Infinity-RoPE).</summary>
    FlushAndCut,
}

/// <summary>
/// A prompt, embedding [B, L, textDim], from the first block that starts at or after latent frame <paramref
/// name="Start"/>.
/// </summary>
public sealed record CausalScene(int Start, Tensor Text, PromptSwitch Entry = PromptSwitch.Flush);
