namespace LongTake.Worlds.Journey;

/// <summary>A thing to remember: what stands where, by the position at which it is in the middle.</summary>
/// <param name="Kind">0 lighthouse, 1 windmill, 2 tent, 3 statue.</param>
/// <param name="Colour">0 red, 1 yellow, 2 blue, 3 pink.</param>
/// <param name="Position">Where the traveller stands when it is in the middle of the picture.</param>
public readonly record struct Landmark(int Kind, int Colour, int Position);

/// <summary>
/// Every parameter of one video of the world "There and back". A traveller walks a road of four stretches, turns round
/// once and walks back past everything that was there before. There are 16 frames a second, and he walks a pixel a
/// frame; positions are pixels of the road.
/// </summary>
public sealed partial record JourneyTake
{
    /// <summary>Frames in a minute-long take and in a short clip.</summary>
    public const int LongFrames = 977,
        ClipFrames = 81;

    public const int FramesPerSecond = 16;

    /// <summary>Frames that the traveller takes to turn round.</summary>
    public const int TurnFrames = 12;

    /// <summary>How much worse the footage of takes is than that of clips, unless said otherwise.</summary>
    public const double DefaultGap = .7;

    /// <summary>Coat colour, 0..5; hat shape, 0..3.</summary>
    public required int Coat { get; init; }
    public required int Hat { get; init; }

    /// <summary>Whether the caption names the road.</summary>
    public bool RoadNamed { get; init; }

    /// <summary>Brightness factor of the coat; hue of the scarf in [0, 1); leg angle at frame 0, in radians.</summary>
    public double CoatBrightness { get; init; } = 1;
    public double ScarfHue { get; init; }
    public double GaitPhase { get; init; }

    /// <summary>Who comes along: 0 nobody, 1 a dog, 2 a bird, 3 a balloon; its colour, 0..3.</summary>
    public int Company { get; init; }
    public int CompanyColour { get; init; }

    /// <summary>Hour of the day at frame 0, in [0, 1), and its change a frame.</summary>
    public double Hour { get; init; }
    public double HourRate { get; init; }

    /// <summary>Seed of everything that stands along the road.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Biomes along the road (0 meadow, 1 forest, 2 city, 3 desert) and the positions where each next one begins.
    /// </summary>
    public int[] Biomes { get; init; } = [0, 1, 2, 3];
    public double[] Boundaries { get; init; } = [122, 244, 366];
    public Landmark[] Landmarks { get; init; } = [];

    /// <summary>Position and direction (1 right, -1 left) at frame 0; the last frame before he walks back, if he
    /// does.</summary>
    public int Start { get; init; }
    public int Direction { get; init; } = 1;
    public int? Turn { get; init; }

    /// <summary>How much worse the footage is than the world, 0..1: soft, pale, coded, shaken, marked.</summary>
    public double Gap { get; init; }

    public int Frames { get; init; } = LongFrames;

    /// <summary>Position at a frame; the way back mirrors the way there at the turn.</summary>
    public int Position(int frame) => Start + Direction * (frame > Turn ? 2 * Turn.Value - frame : frame);

    /// <summary>Which way the traveller faces: 1 right, -1 left, and between them while he turns.</summary>
    public double Facing(int frame) =>
        Turn is { } turn ? Direction * Math.Clamp((turn - frame) / (TurnFrames / 2.0), -1, 1) : Direction;

    /// <summary>Leg angle at a frame, in radians: one turn in 16 frames.</summary>
    public double Gait(int frame) => 2 * Math.PI * frame / FramesPerSecond + GaitPhase;

    /// <summary>Hour of the day at a frame, in [0, 1).</summary>
    public double HourAt(double frame)
    {
        var hour = Hour + HourRate * frame;
        return hour - Math.Floor(hour);
    }

    /// <summary>Biome at a position.</summary>
    public int BiomeAt(double position)
    {
        var i = 0;
        while (i < Boundaries.Length && position >= Boundaries[i])
            i++;
        return Biomes[i];
    }

    /// <summary>Biomes that he walks through until he turns or the video ends, in their order.</summary>
    public int[] Road
    {
        get
        {
            var (from, to) = (Start, Position(Math.Min(Turn ?? Frames, Frames - 1)));
            int[] crossed = [.. Biomes.Where((_, i) => Reaches(i, Math.Min(from, to), Math.Max(from, to)))];
            return Direction > 0 ? crossed : [.. crossed.Reverse()];
        }
    }

    private bool Reaches(int stretch, int low, int high) =>
        (stretch == 0 || high >= Boundaries[stretch - 1])
        && (stretch == Boundaries.Length || low < Boundaries[stretch]);
}
