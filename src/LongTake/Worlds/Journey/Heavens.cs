namespace LongTake.Worlds.Journey;

/// <summary>
/// The sky: its colours, sun, moon and stars by the hour, and two clouds that come again and again along the road.
/// </summary>
internal static class Heavens
{
    private const int Side = Scene.Side,
        CloudSpeed = 8,
        CloudCell = 32;

    private static readonly (int X, int Y, bool Big)[] Stars =
    [
        .. Enumerable
            .Range(0, 30)
            .Select(i => ((int)(Side * Noise.Unit(i, 5)), (int)(30 * Math.Pow(Noise.Unit(i, 6), 1.3)), i % 7 == 0)),
    ];

    private static readonly (Sprite Shape, int X, int Y)[] Sorts =
    [
        (
            new(
                """
                ......CCCC........
                ....CCCCCC.CCC....
                ..CCCCCCCCCCCCC...
                .CCCCCCCCCCCCCCCC.
                CCCCCCCCCCCCCCCCCC
                ..cccccccccccccc..
                """
            ),
            4,
            12
        ),
        (
            new(
                """
                ....CCC.....
                ..CCCCCCCC..
                .CCCCCCCCCC.
                CCCCCCCCCCCC
                ..cccccccc..
                """
            ),
            14,
            4
        ),
    ];

    /// <summary>The sky alone, with its stars, sun and moon.</summary>
    public static Pixel[] Of(in Light light)
    {
        var canvas = new Pixel[Side * Side];
        Paint(canvas, light);
        return canvas;
    }

    /// <summary>Sky, stars, sun and moon.</summary>
    public static void Paint(Span<Pixel> canvas, in Light light)
    {
        for (var y = 0; y < Scene.GroundTop; y++)
            canvas.Slice(y * Side, Side).Fill(light.Sky((double)y / Scene.Horizon));
        if (light.Dark > 0)
            PaintStars(canvas, light);
        Sun(canvas, light);
        Moon(canvas, light);
    }

    public static void Clouds(Span<Pixel> canvas, Span<Pixel> palette, in Light light, JourneyTake take, int position)
    {
        palette[1] = Rgb.Lerp((Rgb)(255, 255, 255) * light.Tint, light.Horizon, .3);
        palette[2] = Rgb.Lerp((Rgb)(255, 255, 255) * light.Tint, light.Middle, .7);
        var left = Layer.Left(position, CloudSpeed) + take.Seed % (2 * CloudCell);
        for (var cell = Noise.Floor(left, CloudCell); cell * CloudCell < left + Side; cell++)
        {
            var (shape, x, y) = Sorts[cell & 1];
            shape.Paint(canvas, palette, cell * CloudCell + x - left, y, false);
        }
    }

    private static void PaintStars(Span<Pixel> canvas, in Light light)
    {
        for (var i = 0; i < Stars.Length; i++)
        {
            var (x, y, big) = Stars[i];
            var weight = light.Dark * (i % 4 == 0 ? .35 : .9);
            Blend(canvas, x, y, (255, 252, 232), weight);
            for (var side = -1; side <= 1 && big; side += 2)
            {
                Blend(canvas, x + side, y, (200, 210, 255), weight * .45);
                Blend(canvas, x, y + side, (200, 210, 255), weight * .45);
            }
        }
    }

    private static void Sun(Span<Pixel> canvas, in Light light)
    {
        var along = (light.Hour - .215) / .57;
        if (along is < 0 or > 1)
            return;
        var high = Math.Sin(Math.PI * along);
        var (cx, cy) = (4 + 56 * along, 43 - 35 * high);
        var colour = Rgb.Lerp((255, 150, 80), (255, 244, 180), Math.Min(1.6 * high, 1));
        Disc(canvas, cx, cy, 7.2, colour, .22);
        Disc(canvas, cx, cy, 5.6, colour, .45);
        Disc(canvas, cx, cy, 4.2, colour, 1);
    }

    private static void Moon(Span<Pixel> canvas, in Light light)
    {
        var along = (light.Hour + (light.Hour < .5 ? 1 : 0) - .735) / .53;
        if (along is < 0 or > 1)
            return;
        var (cx, cy) = (60 - 56 * (1 - along), 40 - 31 * Math.Sin(Math.PI * along));
        Disc(canvas, cx, cy, 6.4, (214, 222, 255), .16);
        for (var y = (int)cy - 5; y <= cy + 5; y++)
        for (var x = (int)cx - 5; x <= cx + 5; x++)
            if (Within(x - cx, y - cy, 4.2) && !Within(x - cx - 1.8, y - cy + 1.2, 3.4))
                Blend(canvas, x, y, (250, 246, 220), .3 + .7 * light.Dark);
    }

    private static void Disc(Span<Pixel> canvas, double cx, double cy, double r, Rgb colour, double weight)
    {
        for (var y = (int)(cy - r); y <= cy + r; y++)
        for (var x = (int)(cx - r); x <= cx + r; x++)
            if (Within(x - cx, y - cy, r))
                Blend(canvas, x, y, colour, weight);
    }

    private static bool Within(double dx, double dy, double r) => dx * dx + dy * dy <= r * r;

    private static void Blend(Span<Pixel> canvas, int x, int y, Rgb colour, double weight)
    {
        if (x is >= 0 and < Side && y is >= 0 and < Scene.GroundTop)
            canvas[y * Side + x] = Rgb.Lerp(canvas[y * Side + x], colour, weight);
    }
}
