namespace LongTake.Worlds;

/// <summary>
/// The near layers: things beside the road (half speed, period 24), the ground (full speed, period 8).
/// </summary>
internal static class Scenery
{
    private const int Side = Traveller.Side,
        Horizon = Traveller.Horizon,
        Heights = 15,
        None = 0,
        Lamp = 8;

    /// <summary>Ground and pattern colour of each biome.</summary>
    public static readonly Rgb[] Ground = [(95, 165, 70), (70, 80, 45), (105, 105, 118), (225, 190, 125)];
    private static readonly Rgb[] Pattern = [(45, 100, 40), (150, 105, 55), (250, 240, 205), (175, 135, 80)];

    // Paints of the things: 1 bush, 2 flower, 3 trunk, 4 crown, 5 post, 6 unlit lamp, 7 cactus; 8 is the lamp.
    private static readonly Rgb[] Paints =
    [
        default,
        (60, 130, 45),
        (250, 110, 160),
        (110, 70, 40),
        (35, 135, 60),
        (50, 50, 58),
        (120, 100, 60),
        (50, 135, 75),
    ];

    // Which paint stands at [biome, column of 24, height above the ground].
    private static readonly byte[] Things = MakeThings();

    // Whether the pattern is set at [biome, column of 8, row below the horizon].
    private static readonly bool[] Marks = MakeMarks();

    public static void Paint(Span<Pixel> canvas, in Day day, TravellerTake take, int frame)
    {
        PaintThings(canvas, day, take, frame);
        PaintGround(canvas, day, take, frame);
    }

    private static void PaintThings(Span<Pixel> canvas, in Day day, TravellerTake take, int frame)
    {
        Span<Pixel> paints = stackalloc Pixel[Lamp + 1];
        for (var i = 1; i < Lamp; i++)
            paints[i] = Paints[i] * day.Tint;
        paints[Lamp] = frame / 8 % 2 == 0 ? new Pixel(255, 235, 130) : paints[6];
        var start = .5 * frame + take.MidOffset;
        for (var x = 0; x < Side; x++)
        {
            var column = take.Biome(frame, x, .5) * 24 + (int)Math.Floor(x + start) % 24;
            for (var height = 1; height < Heights; height++)
                if (Things[column * Heights + height] is var paint and not None)
                    canvas[(Horizon - height) * Side + x] = paints[paint];
        }
    }

    private static void PaintGround(Span<Pixel> canvas, in Day day, TravellerTake take, int frame)
    {
        Span<Pixel> plain = stackalloc Pixel[4],
            edge = stackalloc Pixel[4],
            mark = stackalloc Pixel[4];
        for (var i = 0; i < 4; i++)
        {
            plain[i] = Ground[i] * day.Tint;
            edge[i] = Ground[i] * 1.18 * day.Tint;
            mark[i] = Pattern[i] * day.Tint;
        }
        for (var x = 0; x < Side; x++)
        {
            var (biome, at) = (take.Biome(frame, x), (x + frame + take.GroundOffset) % 8);
            canvas[Horizon * Side + x] = edge[biome];
            for (var g = 1; g < 6; g++)
                canvas[(Horizon + g) * Side + x] = Marks[(biome * 8 + at) * 6 + g] ? mark[biome] : plain[biome];
        }
    }

    private static byte[] MakeThings()
    {
        var things = new byte[4 * 24 * Heights];
        for (var biome = 0; biome < 4; biome++)
        for (var r = 0; r < 24; r++)
        for (var h = 1; h < Heights; h++)
            things[(biome * 24 + r) * Heights + h] = Thing(biome, r, h);
        return things;
    }

    private static byte Thing(int biome, int r, int h) =>
        (biome, r, h) switch
        {
            (0, 9 or 12, 4) or (0, 10, 2) => 2,
            (0, >= 8 and <= 13, <= 3) or (0, >= 9 and <= 12, 4) => 1,
            (1, _, >= 8) when Math.Abs(r - 10.5) <= .75 * (15 - h) => 4,
            (1, 10 or 11, <= 12) => 3,
            (2, >= 9 and <= 11, 11 or 12) => Lamp,
            (2, 10, <= 11) => 5,
            (3, 10 or 11, <= 8) or (3, >= 8 and <= 13, 4) or (3, 8 or 13, >= 4 and <= 6) => 7,
            _ => None,
        };

    private static bool[] MakeMarks()
    {
        var marks = new bool[4 * 8 * 6];
        for (var biome = 0; biome < 4; biome++)
        for (var r = 0; r < 8; r++)
        for (var g = 1; g < 6; g++)
            marks[(biome * 8 + r) * 6 + g] = (biome, g) switch
            {
                (0 or 1, 2) => r < 2,
                (0 or 1, 4) => (r + 4) % 8 < 2,
                (1, 3) => r == 5,
                (2, 3) => r < 4,
                (3, _) => (r + g) % 8 < 2,
                _ => false,
            };
        return marks;
    }
}
