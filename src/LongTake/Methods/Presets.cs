using LongTake.Diffusion;

namespace LongTake.Methods;

/// <summary>The methods there are, and what is varied of the main one.</summary>
public static class Presets
{
    /// <summary>Every method that a stage of a recipe can name; one line makes another known.</summary>
    public static IReadOnlyList<MethodEntry> Methods { get; } =
    [
        Autoencoder.Entry,
        Teacher.Entry,
        LongSft.Entry,
        MixSft.Entry,
        OdeInit.Entry,
        CausVid.Entry,
        SelfForcing.Entry,
        Mmm.Entry,
    ];

    /// <summary>The paper's ablations (MMM table 2), each a change of any settings.</summary>
    public static IReadOnlyList<Variant> Ablations { get; } =
    [
        new("no dual heads", c => c with { SingleHead = true }),
        // The teacher still judges clips, but only the one that every video begins with.
        new("no sliding-window DMD", c => c with { FirstWindow = 1 }),
        new("no SFT", c => c with { SftWeight = 0, Anchor = 0 }),
    ];

    /// <summary>
    /// What the paper leaves open, one question each; the other settings stay. Questions of how videos are made (hybrid
    /// sampling, videos of 31, 61 and 122 s) are settings of a video request instead, other teachers are <see
    /// cref="MmmConfig.Teacher"/>.
    /// </summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<Variant>> Sweeps { get; } =
        new Dictionary<string, IReadOnlyList<Variant>>
        {
            ["boundary"] = Of(Enum.GetValues<Boundary>(), (c, v) => c with { Boundary = v }),
            ["window sampling"] =
            [
                new("Uniform", c => c with { WindowSampling = WindowSampling.Uniform }),
                // the first is one of them
                new("Strided", c => c with { WindowSampling = WindowSampling.Strided, FirstWindow = 0 }),
                new("Last", c => c with { WindowSampling = WindowSampling.Last, FirstWindow = 0 }),
            ],
            ["windows"] = Of([1, 2, 4, 8, 16], (c, v) => c with { Windows = v, CriticWindows = v }),
            ["DM weight"] = Of([0.25, 0.5, 1, 2, 4], (c, v) => c with { DmWeight = v }),
            ["anchor"] = Of([0, 0.1, 0.25, 0.5], (c, v) => c with { Anchor = v }),
            ["local captions"] = Of([false, true], (c, v) => c with { LocalCaptions = v }),
            ["guidance"] = Of([1, 1.3, 1.5, 2], (c, v) => c with { Guidance = v }),
            ["roll-out"] = Of(Enum.GetValues<RollOut>(), (c, v) => c with { RollOut = v }),
            ["exit"] = Of(Enum.GetValues<ExitSchedule>(), (c, v) => c with { Exit = v }),
            ["surrogate"] = Of(Enum.GetValues<Surrogate>(), (c, v) => c with { Surrogate = v }),
            ["takes"] = Of([8, 16, 32, 64], (c, v) => c with { Takes = v }),
        };

    private static IReadOnlyList<Variant> Of<T>(T[] values, Func<MmmConfig, T, MmmConfig> with) =>
        [.. values.Select(v => new Variant(FormattableString.Invariant($"{v}"), c => with(c, v)))];
}

/// <summary>A change of settings with a name.</summary>
public sealed record Variant(string Name, Func<MmmConfig, MmmConfig> Change);
