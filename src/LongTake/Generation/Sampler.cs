using System.Text.Json;

namespace LongTake.Generation;

/// <summary>Which network of a model makes the video.</summary>
public enum Network
{
    /// <summary>The student's distribution-matching head: a minute in a few steps.</summary>
    DmHead,

    /// <summary>The student's flow-matching head.</summary>
    FmHead,

    /// <summary>A transformer, over the whole video at once.</summary>
    Transformer,

    /// <summary>A transformer of short clips; beyond its clip length it is rolled out window by window.</summary>
    Teacher,

    /// <summary>A transformer that looks back only: CausVid's and Self-Forcing's students, block by block.</summary>
    Generator,
}

/// <summary>How the video is sampled.</summary>
public enum Sampler
{
    /// <summary>Predict, renoise with fresh noise, predict: the student's sampler.</summary>
    FewStep,

    /// <summary>Euler steps along the flow, with guidance.</summary>
    Euler,

    /// <summary>UniPC of order 2, with guidance: Wan's own.</summary>
    UniPc,

    /// <summary>DPM-Solver++ of order 2, with guidance.</summary>
    Dpm,

    /// <summary>
    /// Few steps a block of latents, with a cache of what came before that rolls along: Self-Forcing's weights.
    /// </summary>
    Causal,

    /// <summary>
    /// Block by block in segments of a clip's length: the last block of one, its first latent re-made as an image
    /// latent, begins the next (CausVid).
    /// </summary>
    Segments,

    /// <summary>
    /// Block by block with Infinity-RoPE's window and scenes: endless, and the prompt may be a script.
    /// </summary>
    InfinityRope,
}

/// <summary>Kinds and names of samplers.</summary>
public static class Samplers
{
    /// <summary>The name that people write: few-step, unipc, dpm++, infinity-rope.</summary>
    public static string Name(this Sampler sampler) =>
        sampler switch
        {
            Sampler.UniPc => "unipc",
            Sampler.Dpm => "dpm++",
            _ => JsonNamingPolicy.KebabCaseLower.ConvertName(sampler.ToString()),
        };

    /// <summary>Whether a sampler makes videos block by block, looking back only.</summary>
    public static bool LooksBack(this Sampler sampler) =>
        sampler is Sampler.Causal or Sampler.Segments or Sampler.InfinityRope;

    /// <summary>Whether a sampler solves the flow in many steps, with guidance.</summary>
    public static bool Solves(this Sampler sampler) => sampler is Sampler.Euler or Sampler.UniPc or Sampler.Dpm;
}
