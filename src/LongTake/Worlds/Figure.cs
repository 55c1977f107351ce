namespace LongTake.Worlds;

/// <summary>The traveller: two legs that swing once a second, a coat, an arm, a scarf and a hat.</summary>
internal static class Figure
{
    private const int Side = Traveller.Side;

    public static readonly Rgb[] Coats =
    [
        (205, 45, 45),
        (235, 140, 30),
        (55, 175, 70),
        (40, 175, 195),
        (60, 80, 215),
        (160, 70, 195),
    ];
    public static readonly Rgb FrontLeg = (245, 245, 255),
        BackLeg = (150, 150, 175);

    /// <summary>Leg angle at a frame, in radians: one turn in 16 frames.</summary>
    public static double Angle(TravellerTake take, int frame) => 2 * Math.PI * frame / 16 + take.GaitPhase;

    public static void Paint(Span<Pixel> canvas, in Day day, TravellerTake take, int frame)
    {
        var (a, light) = (Angle(take, frame), day.Light);
        var swing = Math.Sin(a);
        var bob = Math.Cos(2 * a) > 0 ? 1 : 0;
        Leg(canvas, BackLeg * light, -swing, bob);
        Leg(canvas, FrontLeg * light, swing, bob);
        var coat = Coats[take.Coat] * (take.CoatBrightness * light);
        Box(canvas, 11, 17, 15 - bob, 21 - bob, coat);
        Arm(canvas, coat * .55, swing, bob);
        Head(canvas, light, bob);
        var scarf = Rgb.Hue(take.ScarfHue) * light;
        Box(canvas, 11, 17, 15 - bob, 15 - bob, scarf);
        var tail = 15 + frame / 4 % 2 - bob;
        Box(canvas, 8, 10, tail, tail, scarf);
        Hat(canvas, take.Hat, light, bob);
    }

    /// <summary>Left edge and right edge of a leg at row y, for a swing of the foot in -1..1.</summary>
    public static (double Low, double High) LegAt(int y, double swing, int bob)
    {
        var centre = 14 + 3.6 * swing * Math.Min(y - 22 + bob, 6) / 5.0;
        return (centre - .95, centre + .95);
    }

    private static void Leg(Span<Pixel> canvas, Rgb colour, double swing, int bob)
    {
        Pixel pixel = colour;
        for (var y = 22 - bob; y <= 27; y++)
        {
            var (low, high) = LegAt(y, swing, bob);
            for (var x = (int)Math.Ceiling(low); x <= high; x++)
                canvas[y * Side + x] = pixel;
        }
    }

    private static void Arm(Span<Pixel> canvas, Rgb colour, double swing, int bob)
    {
        Pixel pixel = colour;
        for (var down = 0; down <= 4; down++)
        {
            var centre = 14 - 2.6 * swing * down / 4;
            for (var x = (int)Math.Ceiling(centre - .6); x <= centre + .6; x++)
                canvas[(16 + down - bob) * Side + x] = pixel;
        }
    }

    public static void Head(Span<Pixel> canvas, double light, int bob)
    {
        Box(canvas, 12, 16, 11 - bob, 14 - bob, (Rgb)(240, 200, 160) * light);
        Box(canvas, 16, 16, 12 - bob, 12 - bob, (Rgb)(30, 20, 20) * light);
    }

    public static void Hat(Span<Pixel> canvas, int hat, double light, int bob)
    {
        switch (hat)
        {
            case 0:
                Rgb hair = (90, 55, 25);
                Box(canvas, 12, 16, 10 - bob, 10 - bob, hair * light);
                Box(canvas, 11, 11, 10 - bob, 12 - bob, hair * light);
                break;
            case 1:
                Rgb felt = (35, 30, 35),
                    band = (200, 190, 60);
                Box(canvas, 10, 18, 10 - bob, 10 - bob, felt * light);
                Box(canvas, 12, 16, 6 - bob, 9 - bob, felt * light);
                Box(canvas, 12, 16, 9 - bob, 9 - bob, band * light);
                break;
            case 2:
                Rgb cloth = (150, 80, 235),
                    star = (255, 240, 90);
                for (var y = 5; y <= 10; y++)
                {
                    var half = (int)(.62 * (y - 4));
                    Box(canvas, 14 - half, 14 + half, y - bob, y - bob, cloth * light);
                }
                Box(canvas, 14, 14, 8 - bob, 8 - bob, star * light);
                break;
            default:
                Rgb cap = (255, 150, 20);
                Box(canvas, 12, 16, 8 - bob, 10 - bob, cap * light);
                Box(canvas, 17, 19, 10 - bob, 10 - bob, cap * light);
                break;
        }
    }

    private static void Box(Span<Pixel> canvas, int left, int right, int top, int bottom, Rgb colour)
    {
        Pixel pixel = colour;
        for (var y = top; y <= bottom; y++)
            canvas.Slice(y * Side + left, right - left + 1).Fill(pixel);
    }
}
