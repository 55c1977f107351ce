using System.Globalization;
using System.Text.RegularExpressions;
using LongTake.Models;

namespace LongTake.Methods;

/// <summary>
/// A scene of a script: what is seen, for how many blocks of latents, and whether the boundary after it is a cut.
/// </summary>
public sealed record ScriptScene(string Prompt, int Blocks, bool CutAfter);

/// <summary>
/// Infinity-RoPE: endless videos from Self-Forcing's weights without training. The cache is a short window whose frames
/// are placed anew in rotary time at every use, so no position is ever beyond what was trained (block-relativistic
/// RoPE); at a new scene all but the first and the last frames are forgotten (KV flush); a cut moves the new scene far
/// away in rotary time (RoPE cut). Source: arXiv 2511.20649; reference: infinity-rope, pipeline/causal_inference.py,
/// whose window is the cache.
/// </summary>
public static partial class InfinityRope
{
    /// <summary>Latents of the window, the block at hand counted in, and of the sink.</summary>
    public const int Window = 6,
        Sink = 1;

    /// <summary>
    /// A sampling with Infinity-RoPE's cache in place of its own; a window holds the sink, a block and what lies
    /// between.
    /// </summary>
    public static CausalSampling Sampling(CausalSampling plain) =>
        plain with
        {
            Window = Math.Max(Window, 2 * plain.BlockFrames),
            Sink = Sink,
            Positions = CachePositions.Pinned,
        };

    /// <summary>
    /// The scenes of a script, <c>a man walks[5s] | he sits down[10s#] | he sleeps</c>: divided by bars, each with its
    /// duration in brackets; # marks a cut after it. Durations are cut down to whole blocks, one at least; a scene
    /// without one gets <paramref name="defaultBlocks"/>. <paramref name="framesPerLatent"/> is the autoencoder's
    /// stride in time.
    /// </summary>
    public static IReadOnlyList<ScriptScene> Scenes(
        string script,
        double fps = 16,
        int blockFrames = 3,
        int framesPerLatent = 4,
        int defaultBlocks = 14
    )
    {
        return [.. script.Split('|').Select(Scene)];

        ScriptScene Scene(string part, int i)
        {
            var (text, duration) = (part.Trim(), Duration().Match(part));
            var seconds = duration.Success
                ? double.Parse(duration.Groups[1].Value, CultureInfo.InvariantCulture)
                : (double?)null;
            if (seconds > MostSeconds)
                throw new UserException(
                    $"scene {i + 1} of '{script}' takes {duration.Groups[1].Value} seconds; {MostSeconds} at most",
                    usage: true
                );
            var prompt = Duration().Replace(text, "").Trim();
            if (prompt.Length == 0)
                throw new UserException(
                    $"scene {i + 1} of '{script}' says nothing; write what is seen, as in 'a man walks[5s] | he "
                        + "sits[10s#]'",
                    usage: true
                );
            var blocks = seconds is { } s
                ? Math.Max(1, (int)(s * fps / (framesPerLatent * blockFrames)))
                : defaultBlocks;
            return new ScriptScene(prompt, blocks, text.Contains('#'));
        }
    }

    /// <summary>How a scene begins, after the one before.</summary>
    public static PromptSwitch Entry(ScriptScene before) =>
        before.CutAfter ? PromptSwitch.FlushAndCut : PromptSwitch.Flush;

    /// <summary>Whether a prompt is a script: it has bars, or a duration.</summary>
    public static bool IsScript(string prompt) => prompt.Contains('|') || Duration().IsMatch(prompt);

    /// <summary>Whether a prompt says how long a scene takes, which no plain prompt does.</summary>
    public static bool HasDurations(string prompt) => Duration().IsMatch(prompt);

    /// <summary>
    /// Something in brackets that was meant for a duration and is none, "[5 sec]"; null when there is nothing of the
    /// kind.
    /// </summary>
    public static string? Mistaken(string prompt) =>
        Meant().Match(Duration().Replace(prompt, "")) is { Success: true } found ? found.Value : null;

    private const int MostSeconds = 3600;

    [GeneratedRegex(@"\[\s*[\d.]+[^\]]*\]|\[\s*s\s*#?\s*\]")]
    private static partial Regex Meant();

    [GeneratedRegex(@"\[(\d+\.?\d*)\s*s#?\]")]
    private static partial Regex Duration();
}
