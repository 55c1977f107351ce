using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Models;

/// <summary>A named number: parameters, bytes or operations.</summary>
public sealed record Amount(string Name, double Value);

/// <summary>
/// A part of a work during which memory is what it says: bytes by kind, and the floating-point operations it takes in
/// all (of a training stage: in one step).
/// </summary>
public sealed record Phase(string Name, IReadOnlyList<Amount> Memory, double Flops)
{
    public double Bytes => Memory.Sum(m => m.Value);
}

/// <summary>
/// What a video, or a stage of training, takes: parameters by network, operations of one call by part, memory and
/// operations by phase, disk. <see cref="Times"/>: how often the phases run, the steps of a stage.
/// </summary>
public sealed record Plan(
    string Name,
    string About,
    IReadOnlyList<Amount> Parameters,
    IReadOnlyList<Amount> Forward,
    IReadOnlyList<Phase> Phases,
    IReadOnlyList<Amount> Disk,
    double Times = 1
)
{
    /// <summary>The phase that takes the most memory.</summary>
    public Phase Fullest => Phases.MaxBy(p => p.Bytes)!;

    /// <summary>Operations of all of it.</summary>
    public double Flops => Times * Phases.Sum(p => p.Flops);
}

/// <summary>A setting that changes a plan, and the plan with it.</summary>
public sealed record Alternative(string Setting, Plan Plan);

/// <summary>What makes a plan fit.</summary>
public static class Fitting
{
    /// <summary>The alternatives that fit into so many bytes, the most gentle first (as they are ordered).</summary>
    public static IReadOnlyList<Alternative> Remedies(IEnumerable<Alternative> alternatives, double bytes) =>
        [.. alternatives.Where(a => a.Plan.Fullest.Bytes <= bytes).Take(4)];

    /// <summary>Cost formulas are those of Wan's blocks, which the miniature has too.</summary>
    /// <exception cref="UserException">Usage: another family.</exception>
    public static void RequireFormulas(ModelConfig c)
    {
        if (c.Model is not WanModel)
            throw new UserException(
                $"family '{c.Family}': its costs are not known; plan knows Wan and Miniature",
                true
            );
    }

    /// <summary>Sizes of three quarters and a half of a picture, as far as the model can make them.</summary>
    internal static IEnumerable<(int Width, int Height)> Smaller(ModelConfig c, int width, int height)
    {
        if (c.Geometry.FixedSize)
            yield break;
        int down = c.Vae.SpatialStride * c.Wan.PatchSize[1],
            across = c.Vae.SpatialStride * c.Wan.PatchSize[2];
        foreach (var part in (double[])[0.75, 0.5])
            if (
                (int)(width * part) / across * across is var w
                && (int)(height * part) / down * down is var h
                && w > 0
                && h > 0
            )
                yield return (w, h);
    }
}
