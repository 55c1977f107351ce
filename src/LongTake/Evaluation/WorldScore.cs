using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// How well a video keeps the rules of the Traveller world. Null: the caption or the video does not say.
/// arc, mono: story of the day; biome: order of places; lm_*: the two visits of the lighthouse; *_acc: what the caption
/// asked for; *_drift: identity, RGB units; gait*, legs, scroll: motion; gamp, sharp: relative to real videos;
/// flick: RGB units per 1/8 s.
/// </summary>
public sealed record WorldScore
{
    public double arc { get; init; }
    public double mono { get; init; }
    public double biome { get; init; }
    public double lm_rec { get; init; }
    public double lm_fa { get; init; }
    public double? lm_same { get; init; }
    public double? lm_acc { get; init; }
    public double? coat_acc { get; init; }
    public double? hat_acc { get; init; }
    public double coat_drift { get; init; }
    public double neck_drift { get; init; }
    public double gaitL { get; init; }
    public double gaitG { get; init; }
    public double gaitF { get; init; }
    public double legs { get; init; }
    public double scroll { get; init; }
    public double gamp { get; init; }
    public double sharp { get; init; }
    public double flick { get; init; }
}

/// <summary>What a video was asked to show; null where the caption does not say.</summary>
public sealed record WorldTruth(int? Coat, int? Hat, int? Landmark)
{
    public static WorldTruth Of(TravellerTake take) => new(take.Coat, take.Hat, take.LandmarkColour);

    public static WorldTruth Of(string prompt) =>
        Captions.TryParse(prompt, out var coat, out var hat, out var lm) ? new(coat, hat, lm) : new(null, null, null);
}

/// <summary>Amplitude of the ground pattern and gradient energy of real videos: the units of gamp and sharp.</summary>
public sealed record WorldReal(double Pattern, double Gradient);
