namespace LongTake.Worlds.Journey;

/// <summary>The traveller: two legs that swing once a second, a coat, an arm, a scarf and a hat.</summary>
internal static class Hiker
{
    /// <summary>Row of the soles; column left of the middle of the body.</summary>
    public const int Soles = 57;

    private const int Side = Scene.Side,
        Left = Scene.Centre - 8,
        HeadTop = Soles - 24,
        Hip = 8,
        Knee = 4;
    private const double Middle = Scene.Centre - .5,
        Stride = 4.4,
        Lift = 2.6;

    public static readonly Rgb[] Coats =
    [
        (208, 44, 44),
        (238, 142, 34),
        (56, 172, 72),
        (36, 176, 196),
        (62, 84, 218),
        (164, 72, 198),
    ];

    // The head's top row is the hair line; the coat ends above the hip.
    private static readonly Sprite sideBody = new(
        """
        ......FFFFF.....
        .....JFFFFF.....
        .....JFFFEF.....
        .....JFFFFFF....
        ......fFFFF.....
        .....VVVVVV.....
        .....VVVVVVV....
        .....CCCCCCC....
        ....cCCCCCCC....
        ....cCCCCCCL....
        ....cCCCCCCL....
        ....cCCCCCCL....
        ....ccccccccc...
        ....cCCCCCCL....
        ...ccCCCCCCL....
        ...cCCCCCCCCL...
        """
    );
    private static readonly Sprite frontBody = new(
        """
        .....FFFFFF.....
        .....FFFFFF.....
        .....FEFFEF.....
        .....FFFFFF.....
        ......FffF......
        .....VVVVVV.....
        ....VVVVVVVV....
        ....CCCCCCCC....
        ...cCCCCCCCCc...
        ...cCCCDCCCCc...
        ...cCCCCCCCCc...
        ...cCCCDCCCCc...
        ....cccccccc....
        ....CCCDCCCC....
        ....CCCCCCCC....
        ...CCCCDCCCCC...
        """
    );

    // Their last row lies on the head's first.
    private static readonly Sprite[] hats =
    [
        new(
            """
            ......JJJJ......
            .....JJJJJJ.....
            .....JJJ........
            """
        ),
        new(
            """
            .....DDDDDD.....
            .....DDDDDD.....
            .....DDDDDD.....
            .....DDDDDD.....
            .....YYYYYY.....
            ...DDDDDDDDDD...
            """
        ),
        new(
            """
            ...UU...........
            ....UUU.........
            .....UUU........
            .....UUUU.......
            .....UUYUU......
            ....UUUUUU......
            ....UUUUUUU.....
            ..UUUUUUUUUUU...
            """
        ),
        new(
            """
            ......AAAA......
            .....AAAAAA.....
            .....AAAAAA.....
            .....AAAAAAAAA..
            """
        ),
    ];

    public static void Paint(Span<Pixel> canvas, Span<Pixel> palette, in Light light, JourneyTake take, int frame)
    {
        var (angle, facing) = (take.Gait(frame), take.Facing(frame));
        Shadow(canvas);
        Palette.Set(palette, Coats[take.Coat] * take.CoatBrightness, light.Near);
        Palette.SetScarf(palette, Rgb.Hue(take.ScarfHue) * light.Near);
        Legs(canvas, palette, angle, facing);
        ScarfTail(canvas, palette, angle, facing, frame);
        var body = Front(facing) ? frontBody : sideBody;
        body.Paint(canvas, palette, Left, HeadTop + 1 - Bob(angle), facing < 0);
        Arm(canvas, palette, angle, facing);
        Hat(canvas, palette, take.Hat, angle, facing);
    }

    /// <summary>One pixel up while the legs pass each other.</summary>
    public static int Bob(double angle) => Math.Cos(2 * angle) > 0 ? 1 : 0;

    private static bool Front(double facing) => Math.Abs(facing) < .6;

    /// <summary>Both legs, the near one over the far one.</summary>
    public static void Legs(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette, double angle, double facing)
    {
        var (near, far) = (Palette.Letters.IndexOf('I'), Palette.Letters.IndexOf('i'));
        // Seen from the front they stand beside each other.
        var apart = 1.6 * (1 - Math.Abs(facing));
        Leg(canvas, palette, palette[far], angle + Math.PI, facing, apart, Bob(angle));
        Leg(canvas, palette, palette[near], angle, facing, -apart, Bob(angle));
    }

    // A leg goes forward in the air with a bent knee, and back on the ground.
    private static void Leg(
        Span<Pixel> canvas,
        ReadOnlySpan<Pixel> palette,
        Pixel cloth,
        double phase,
        double facing,
        double aside,
        int bob
    )
    {
        var (foot, air) = (Stride * Math.Sin(phase), Math.Max(0, Math.Cos(phase)));
        var sole = (int)Math.Round(Lift * air);
        var knee = .5 * foot + .5 + 1.6 * air;
        var ahead = facing < 0 ? -1 : 1;
        var shoe = palette[Palette.Letters.IndexOf('D')];
        for (var up = sole; up < Hip + bob; up++)
        {
            var forward =
                up >= Knee + bob
                    ? knee * (Hip + bob - up) / (Hip - Knee)
                    : foot + (knee - foot) * (up - sole) / Math.Max(1, Knee + bob - sole);
            for (var i = 0; i < (up == sole ? 3 : 2); i++)
            {
                var x = (int)Math.Round(Middle + aside + facing * forward + ahead * (i - .5));
                canvas[(Soles - up) * Side + x] = up == sole ? shoe : cloth;
            }
        }
    }

    private static void Arm(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette, double angle, double facing)
    {
        var (swing, top) = (-3.4 * Math.Sin(angle), Soles - 16 - Bob(angle));
        for (var down = 0; down <= 7; down++)
        {
            var forward = swing * down / 7 + (down > 3 ? .5 : 0);
            var paint = down >= 6 ? Palette.Letters.IndexOf('F') : 2;
            for (var i = 0; i < 2; i++)
            {
                var x = (int)Math.Round(Middle + facing * (forward + i - .5));
                canvas[(top + down) * Side + x] = palette[paint];
            }
        }
    }

    // It flies behind him, and falls while he turns.
    private static void ScarfTail(
        Span<Pixel> canvas,
        ReadOnlySpan<Pixel> palette,
        double angle,
        double facing,
        int frame
    )
    {
        for (var i = 0; i < 5; i++)
        {
            var wave = .9 * Math.Sin(2 * Math.PI * frame / 8 - 1.2 * i);
            var down = i * (.3 + .5 * (1 - Math.Abs(facing))) + wave * (i > 1 ? 1 : 0);
            var (x, y) = (
                (int)Math.Round(Middle - facing * (3.5 + i)),
                Soles - 18 - Bob(angle) + (int)Math.Round(down)
            );
            canvas[y * Side + x] = palette[4];
            canvas[(y + 1) * Side + x] = palette[4];
        }
    }

    /// <summary>A hat, or the hair, on the head.</summary>
    public static void Hat(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette, int hat, double angle, double facing)
    {
        var top = HeadTop + 2 - hats[hat].Height - Bob(angle);
        hats[hat].Paint(canvas, palette, Left, hat == 0 ? top + 1 : top, facing < 0);
    }

    private static void Shadow(Span<Pixel> canvas)
    {
        for (var x = Scene.Centre - 6; x < Scene.Centre + 6; x++)
            canvas[Soles * Side + x] = (Rgb)canvas[Soles * Side + x] * .72;
    }
}
