using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>What a video was asked to show; null where the caption does not say.</summary>
public sealed record JourneyTruth(int? Coat, int? Hat, IReadOnlyList<int>? Road)
{
    public static JourneyTruth Of(JourneyTake take) => new(take.Coat, take.Hat, take.RoadNamed ? take.Road : null);

    public static JourneyTruth Of(string prompt) =>
        JourneyCaptions.TryParse(prompt, out var coat, out var hat, out var road)
            ? new(coat, hat, road)
            : new(null, null, null);
}

/// <summary>What is read once off the frames of a video of the world "There and back", for all metrics.</summary>
internal sealed class JourneyReading : Reading
{
    private const int WindowFrames = 5 * JourneyVideo.Rate;
    private readonly int[] company;
    private readonly int usual;
    private readonly double contrast;
    private readonly List<Sighting> there;
    private readonly List<(Sighting There, Sighting Back)> pairs;

    /// <param name="rgb">Bytes [frames, 64, 64, 3], 16 frames a second.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="seams">Latents that begin a window of the roll-out.</param>
    public JourneyReading(byte[] rgb, JourneyTruth truth, IReadOnlyCollection<int> seams)
        : base(seams)
    {
        (Video, Truth) = (new(rgb), truth);
        (Lights, contrast) = SkyClock.Read(Video);
        var restored = Video.Restored(contrast);
        Hours = [.. Lights.Select(light => light.Hour)];
        (HourRate, HourOff) = SkyClock.Line(Hours);
        Walk = new(restored, Lights);
        Skyline = Skylines.Recall(restored, Walk, Lights);
        (Coats, Scarves, Hats) = (
            Person.Coats(restored, Lights),
            Person.Scarves(restored, Lights),
            Person.Hats(restored, Lights)
        );
        (var feet, Legs) = Person.Feet(restored, Walk, Lights);
        Feet =
            Walk.Turns == 1 ? [.. feet[..Before], .. feet[Math.Min(Before + JourneyVideo.Rate, feet.Length)..]] : feet;
        company = Company.Read(restored, Walk, Lights);
        usual = company.GroupBy(c => c).MaxBy(g => g.Count())!.Key;
        there = Sightings.Between(restored, Walk, Lights, 0, Math.Min(Walk.Turn + 1, Video.Frames));
        pairs = Sightings.Pairs(
            there,
            Sightings.Between(restored, Walk, Lights, Math.Min(Walk.Turn + 1, Video.Frames), Video.Frames)
        );
    }

    public override int Seconds => Video.Seconds;
    public override int Frames => Video.Frames;
    public JourneyVideo Video { get; }
    public JourneyTruth Truth { get; }

    /// <summary>The light of each second, and its hour.</summary>
    public Light[] Lights { get; }
    public double[] Hours { get; }

    /// <summary>Days a second of the straight line nearest to the hours, and their distance from it.</summary>
    public double HourRate { get; }
    public double HourOff { get; }
    public Walk Walk { get; }
    public Rgb[] Coats { get; }
    public Rgb[] Scarves { get; }
    public int[] Hats { get; }

    /// <summary>
    /// Swing of the near foot in each frame; without the second of the turn, a whole stride that shows no swing.
    /// </summary>
    public double[] Feet { get; }

    /// <summary>How much more the skyline resembles that of the way there than those of other takes.</summary>
    public double? Skyline { get; }

    /// <summary>How much the legs look like legs.</summary>
    public double Legs { get; }

    /// <summary>Whether the way there is the road that was asked for, or else four different biomes.</summary>
    public double Road()
    {
        var road = Walk.Road();
        return Truth.Road is { } asked
            ? (road.Where(asked.Contains).SequenceEqual(asked) && road.Distinct().Count() == road.Length ? 1 : 0)
            : (road.Length == 4 && road.Distinct().Count() == 4 ? 1 : 0);
    }

    /// <summary>
    /// Share of a second's frames in the biome of the mirrored frame, give or take 1/4 s; null on the way there.
    /// </summary>
    public double? Return(int second)
    {
        bool[] same =
        [
            .. Enumerable
                .Range(second * JourneyVideo.Rate, JourneyVideo.Rate)
                .Select(f => (Frame: f, Mirror: Walk.Mirror(f)))
                .Where(p => p.Mirror is not null)
                .Select(p => Walk.Near(p.Mirror!.Value).Contains(Walk.Biomes[p.Frame])),
        ];
        return same.Length == 0 ? null : same.Average(s => s ? 1.0 : 0);
    }

    /// <summary>Landmarks that are recognisable on the way there, over the three of the world.</summary>
    public double Landmarks() => Math.Min(there.Count, 3) / 3.0;

    /// <summary>Share of them at whose place there is a landmark on the way back.</summary>
    public double? LandmarksBack() => there.Count == 0 ? null : (double)pairs.Count / there.Count;

    /// <summary>Share of the landmarks seen both ways of which something is the same.</summary>
    public double? Recall(Func<Sighting, Sighting, bool> same) =>
        pairs.Count == 0 ? null : pairs.Average(p => same(p.There, p.Back) ? 1.0 : 0);

    /// <summary>Whether he turns once and keeps in step on both sides.</summary>
    public double TurnsOnce() =>
        Walk.Turns == 1 && InStep(Feet.AsSpan(0, Before)) && InStep(Feet.AsSpan(Before)) ? 1 : 0;

    private static bool InStep(ReadOnlySpan<double> feet) => Walker.Explained(feet, JourneyVideo.Rate) > .5;

    // Frames before the second of the turn.
    private int Before => Math.Max(0, Walk.Turn - JourneyVideo.Rate / 2);

    /// <summary>1 where the company is the video's usual one; null while he turns, when it changes sides.</summary>
    public double? SameCompany(int second)
    {
        var middle = second * JourneyVideo.Rate + JourneyVideo.Rate / 2;
        var turning =
            Walk.Turns == 1 && Math.Abs(middle - Walk.Turn) < (JourneyVideo.Rate + JourneyTake.TurnFrames) / 2;
        return turning ? null
            : company[second] == usual ? 1
            : 0;
    }

    public override double Change(int frame) => Video.Change(frame).Mean;

    /// <summary>Mean of a measure of the feet over the windows of five seconds.</summary>
    public double MeanOfFeet(Func<ReadOnlySpan<double>, double, double> measure)
    {
        var window = Math.Min(WindowFrames, Feet.Length);
        return Enumerable
            .Range(0, Feet.Length / window)
            .Average(i => measure(Feet.AsSpan(i * window, window), JourneyVideo.Rate));
    }

    /// <summary>The feet in the five seconds around a second.</summary>
    public ReadOnlySpan<double> FeetAround(int second)
    {
        var (at, window) = (second * JourneyVideo.Rate, Math.Min(WindowFrames, Feet.Length));
        if (Walk.Turns == 1 && at > Before)
            at -= JourneyVideo.Rate;
        return Feet.AsSpan(Math.Clamp(at - (window - JourneyVideo.Rate) / 2, 0, Feet.Length - window), window);
    }

    /// <summary>Contrast of the ground's pattern in a second.</summary>
    public double Contrast(int second) =>
        contrast * Walk.Contrasts.AsSpan(second * JourneyVideo.Rate, JourneyVideo.Rate).ToArray().Average();

    public double SpeedError(int second) =>
        Walk.SpeedError(second * JourneyVideo.Rate, (second + 1) * JourneyVideo.Rate);
}
