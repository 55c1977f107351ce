namespace LongTake.Worlds;

/// <summary>Every parameter of one video of the Traveller world. Frames are world frames: 16 a second.</summary>
public sealed record TravellerTake
{
    /// <summary>World frames in a minute-long take and in a short clip.</summary>
    public const int LongFrames = 977,
        ClipFrames = 81;

    /// <summary>World frames a second.</summary>
    public const int FramesPerSecond = 16;

    /// <summary>Coat colour, 0..5; hat shape, 0..3; lighthouse colour, 0..2.</summary>
    public required int Coat { get; init; }
    public required int Hat { get; init; }
    public required int LighthouseColour { get; init; }

    /// <summary>Brightness factor of the coat; hue of the scarf in [0, 1).</summary>
    public double CoatBrightness { get; init; } = 1;
    public double ScarfHue { get; init; }

    /// <summary>Where the layers start, in pixels, and the leg angle at frame 0, in radians.</summary>
    public double FarOffset { get; init; }
    public double MidOffset { get; init; }
    public int GroundOffset { get; init; }
    public double GaitPhase { get; init; }

    /// <summary>Seed of the far skyline, 0..10.</summary>
    public double SkylineSeed { get; init; }

    /// <summary>Day phase (0 dawn, 1 deep night) at frame 0 and its change a frame.</summary>
    public double Dawn { get; init; }
    public double DayRate { get; init; } = 1.0 / LongFrames;

    /// <summary>
    /// Biomes in order (0 meadow, 1 forest, 2 city, 3 desert) and the frames at which each next one enters.
    /// </summary>
    public int[] Biomes { get; init; } = [0, 1, 2, 3];
    public double[] Boundaries { get; init; } = [244, 488, 732];

    /// <summary>Frames at which the lighthouse enters on the right.</summary>
    public double[] Lighthouses { get; init; } = [128, 704];

    public int Frames { get; init; } = LongFrames;

    /// <summary>Day phase at a frame, in [0, 1].</summary>
    public double Phase(int frame) => Math.Clamp(Dawn + DayRate * frame, 0, 1);

    /// <summary>Biome at column x of a layer of speed v: boundary i has passed where x >= 32 - v (f - b_i).</summary>
    public int Biome(int frame, int x = Traveller.Side / 2, double speed = 1)
    {
        var biome = Biomes[0];
        for (var i = 0; i < Boundaries.Length; i++)
            if (x >= Traveller.Side - speed * (frame - Boundaries[i]))
                biome = Biomes[i + 1];
        return biome;
    }

    /// <summary>A minute: the four biomes in order, one day from dawn to night, the same lighthouse twice.</summary>
    public static TravellerTake Long(Rng rng, int coat, int hat) =>
        Look(rng, coat, hat) with
        {
            Dawn = rng.Uniform(-.02, .02),
            Boundaries = [.. Enumerable.Range(1, 3).Select(i => 244 * i + rng.Uniform(-24, 24))],
            Lighthouses = [128 + rng.Uniform(-16, 16), 704 + rng.Uniform(-16, 16)],
        };

    /// <summary>
    /// Five seconds at any time of day in any biome; the day may run back, so clips do not show the story of a take.
    /// </summary>
    public static TravellerTake Clip(Rng rng)
    {
        var look = Look(rng, rng.Int(Captions.Coats.Length), rng.Int(Captions.Hats.Length));
        var (first, other) = (rng.Int(4), rng.Int(3));
        var (crosses, boundary) = (rng.Uniform() < .5, rng.Uniform(-128, 81));
        var (passes, lighthouse) = (rng.Uniform() < .3, rng.Uniform(-150, 80));
        return look with
        {
            Dawn = rng.Uniform(),
            DayRate = rng.Uniform(-1.5, 1.5) / LongFrames,
            Biomes = crosses ? [first, (first + 1 + other) % 4] : [first],
            Boundaries = crosses ? [boundary] : [],
            Lighthouses = passes ? [lighthouse] : [],
            Frames = ClipFrames,
        };
    }

    private static TravellerTake Look(Rng rng, int coat, int hat) =>
        new()
        {
            Coat = coat,
            Hat = hat,
            CoatBrightness = rng.Uniform(.85, 1.15),
            ScarfHue = rng.Uniform(),
            FarOffset = rng.Uniform(0, 1000),
            MidOffset = rng.Uniform(0, 24),
            GroundOffset = rng.Int(8),
            GaitPhase = rng.Uniform(0, 2 * Math.PI),
            LighthouseColour = rng.Int(Captions.Lighthouses.Length),
            SkylineSeed = rng.Uniform(0, 10),
        };
}
