using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>What a video was asked to show; null where the caption does not say.</summary>
public sealed record WorldTruth(int? Coat, int? Hat, int? Lighthouse)
{
    public static WorldTruth Of(TravellerTake take) => new(take.Coat, take.Hat, take.LighthouseColour);

    public static WorldTruth Of(string prompt) =>
        Captions.TryParse(prompt, out var coat, out var hat, out var lm) ? new(coat, hat, lm) : new(null, null, null);
}

/// <summary>What is read once off the frames of a video of the Traveller world, for all metrics.</summary>
internal sealed class VideoReading : Reading
{
    private const int WindowSeconds = 5;
    private static readonly (int First, int Last)[] visits = [(7, 18), (43, 54)];
    private readonly int[] lighthouses;
    private readonly Rgb firstCoat;

    /// <param name="rgb">Bytes [frames, 32, 32, 3], one frame every <paramref name="stride"/> world frames.</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="seams">Latents that begin a window of the roll-out.</param>
    public VideoReading(byte[] rgb, int stride, WorldTruth truth, IReadOnlyCollection<int> seams)
        : base(seams)
    {
        if (stride < 1 || TravellerTake.FramesPerSecond % stride != 0)
            throw new ArgumentException($"stride {stride}: allowed are 1, 2, 4, 8 and 16, which divide a second");
        if (rgb.Length % Traveller.FrameBytes != 0)
            throw new ArgumentException($"{rgb.Length} bytes are not whole frames of {Traveller.FrameBytes}");
        (Video, Truth) = (new(rgb, stride), truth);
        if (Video.Seconds == 0)
            throw new ArgumentException($"{Video.Frames} frames are less than a second");
        Days = Sky.Read(Video);
        Parts = [.. Days.Select((_, s) => Video.Part(s))];
        (Coats, Hats, Scarves) = (Walker.Coats(Video, Days), Walker.Hats(Video, Days), Walker.Scarves(Video, Days));
        (Feet, Legs) = Walker.Feet(Video);
        Ground = Biomes.Pattern(Video, Days);
        GroundOf = [.. Parts.Select((second, s) => Biomes.Pattern(second, [Days[s]]))];
        lighthouses = Biomes.Lighthouses(Video, Days);
        Visits = [.. visits.Select(v => Visit(v.First, v.Last))];
        firstCoat = Coats.Take(5).Aggregate(default(Rgb), (a, b) => a + b) * (1.0 / Math.Min(5, Coats.Length));
    }

    public override int Seconds => Video.Seconds;
    public override int Frames => Video.Frames;
    public MeasuredVideo Video { get; }
    public WorldTruth Truth { get; }

    /// <summary>The time of day of each second.</summary>
    public Day[] Days { get; }

    /// <summary>The video cut into seconds.</summary>
    public MeasuredVideo[] Parts { get; }
    public Rgb[] Coats { get; }
    public Rgb[] Scarves { get; }
    public int[] Hats { get; }

    /// <summary>Swing of the front foot in each frame, and how much the legs look like legs.</summary>
    public double[] Feet { get; }
    public double Legs { get; }

    /// <summary>Speed and contrast of the ground in the whole video, and in each second.</summary>
    public (double Scroll, double Amplitude) Ground { get; }
    public (double Scroll, double Amplitude)[] GroundOf { get; }

    /// <summary>Colour of the lighthouse in its two visits; null where it is missing.</summary>
    public int?[] Visits { get; }

    public override double Change(int frame) => Video.Change(frame);

    /// <summary>Mean of a measure of the feet over the windows of five seconds.</summary>
    public double MeanOfFeet(Func<ReadOnlySpan<double>, double, double> measure)
    {
        var window = Math.Min((int)(WindowSeconds * Video.Rate), Feet.Length);
        return Enumerable
            .Range(0, Feet.Length / window)
            .Average(i => measure(Feet.AsSpan(i * window, window), Video.Rate));
    }

    /// <summary>The feet in the five seconds around a second.</summary>
    public ReadOnlySpan<double> FeetAround(int s)
    {
        var seconds = Math.Min(WindowSeconds, Video.Seconds);
        var from = Math.Clamp(s - seconds / 2, 0, Video.Seconds - seconds);
        return Feet.AsSpan(Video.Second(from).Start..Video.Second(from + seconds - 1).End);
    }

    /// <summary>1 in the biome of the schedule, 0 in another, null near a change.</summary>
    public double? Biome(int s) => Biomes.Due(s) is { } due ? (Biomes.Seen(Video, s, Days[s]) == due ? 1 : 0) : null;

    /// <summary>Distance of the coat's colour from its mean over the first five seconds.</summary>
    public double CoatChange(int s) => Math.Sqrt((Coats[s] - firstCoat).Dot(Coats[s] - firstCoat));

    public double LighthouseElse() =>
        lighthouses
            .Where((_, s) => !visits.Any(v => s >= v.First && s <= v.Last))
            .Select(colour => colour < 0 ? 0.0 : 1)
            .DefaultIfEmpty()
            .Average();

    public double? LighthouseColour() =>
        Truth.Lighthouse is { } colour
            ? Visits.Where(v => v is not null).Average(v => v == colour ? 1.0 : (double?)0)
            : null;

    /// <summary>Share of the events in place: each biome for most of its time, each visit of the lighthouse.</summary>
    public double Story()
    {
        var biomes = Enumerable
            .Range(0, Days.Length)
            .Where(s => Biomes.Due(s) is not null)
            .GroupBy(s => Biomes.Due(s))
            .Select(g => g.Average(s => Biome(s)!.Value) > .5 ? 1 : 0)
            .ToList();
        return (double)(biomes.Sum() + Visits.Count(v => v is not null)) / (biomes.Count + Visits.Length);
    }

    /// <summary>Colour of the lighthouse in most seconds of a visit, or null where none is seen.</summary>
    private int? Visit(int first, int last) =>
        lighthouses
            .Where((colour, s) => colour >= 0 && s >= first && s <= last)
            .GroupBy(colour => colour)
            .MaxBy(g => g.Count())
            ?.Key;
}
