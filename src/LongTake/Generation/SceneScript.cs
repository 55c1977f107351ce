using System.Globalization;
using System.Text.RegularExpressions;

namespace LongTake.Generation;

/// <summary>A scene of a script: what is seen, for how many blocks of latents, and whether the boundary after it is a cut.</summary>
public sealed record ScriptScene(string Prompt, int Blocks, bool CutAfter);

/// <summary>
/// Infinity-RoPE's scripts, <c>a man walks[5s] | he sits down[10s#] | he sleeps</c>: scenes divided by bars, each with its
/// duration in brackets; # marks a cut after it. Reference: infinity-rope, pipeline/causal_inference.py.
/// </summary>
public static partial class SceneScript
{
    /// <summary>
    /// The scenes of a script. Durations are cut down to whole blocks, one at least; a scene without one gets <paramref name="defaultBlocks"/>.
    /// <paramref name="framesPerLatent"/> is the autoencoder's stride in time.
    /// </summary>
    public static IReadOnlyList<ScriptScene> Parse(string script, double fps = 16, int blockFrames = 3, int framesPerLatent = 4, int defaultBlocks = 14) =>
    [.. script.Split('|').Select((part, i) =>
    {
        var text = part.Trim();
        var duration = Duration().Match(text);
        var prompt = Duration().Replace(text, "").Trim();
        if (prompt.Length == 0) throw new UserException($"scene {i + 1} of '{script}' says nothing; write what is seen, as in 'a man walks[5s] | he sits[10s#]'", usage: true);
        var blocks = duration.Success
            ? Math.Max(1, (int)(double.Parse(duration.Groups[1].Value, CultureInfo.InvariantCulture) * fps / (framesPerLatent * blockFrames)))
            : defaultBlocks;
        return new ScriptScene(prompt, blocks, text.Contains('#'));
    })];

    [GeneratedRegex(@"\[(\d+\.?\d*)\s*s#?\]")]
    private static partial Regex Duration();
}
