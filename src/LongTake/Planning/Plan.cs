namespace LongTake.Planning;

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
/// What a film, or a stage of training, takes: parameters by network, operations of one call by part, memory and
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
}
