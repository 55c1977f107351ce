namespace LongTake.Worlds.Journey;

/// <summary>Who comes along: a dog on the road, a bird in the air or a balloon on a string, behind him.</summary>
internal static class Companion
{
    private const int DogRow = 50,
        BirdRow = 21,
        BalloonRow = 11;
    private const double Middle = Scene.Centre - .5;

    public static readonly Rgb[] Colours = [(246, 246, 246), (228, 118, 36), (64, 128, 244), (244, 100, 172)];

    // Distance behind the traveller, in columns: dog, bird, balloon.
    private static readonly double[] Behind = [0, 17, 16, 13];

    private static readonly Sprite[] Dogs =
    [
        new(
            """
            .........CCC..
            c.......cCDCC.
            C.......cCCCCD
            .CC.....cCCCC.
            ..CCCCCCCCCC..
            ..CCCCCCCCC...
            ..CCCCCCCCc...
            ..Cc..c.CC....
            .CC.c.c..CC...
            """
        ),
        new(
            """
            .........CCC..
            .c......cCDCC.
            .C......cCCCCD
            .CC.....cCCCC.
            ..CCCCCCCCCC..
            ..CCCCCCCCC...
            ..CCCCCCCCc...
            ..cCC..CCc....
            ..c.C..C.c....
            """
        ),
    ];
    private static readonly Sprite[] Birds =
    [
        new(
            """
            ..CC.......
            ..CCC......
            ...CCC.CC..
            CCCCCCCCDCY
            .cCCCCCCC..
            ...cccc....
            ...........
            ...........
            """
        ),
        new(
            """
            ...........
            ...........
            .......CC..
            CCCCCCCCDCY
            .CCCCCCCC..
            ..CCCCcc...
            ..CCC......
            ..CC.......
            """
        ),
    ];
    private static readonly Sprite[] Balloons =
    [
        new(
            """
            ...CCC...
            .CCCCCCC.
            .CLLCCCC.
            CCLCCCCCC
            CCLCCCCCc
            CCCCCCCCc
            CCCCCCCCc
            .CCCCCCc.
            .CCCCCcc.
            ..CCCcc..
            ...ccc...
            ....c....
            """
        ),
    ];

    /// <summary>Drawings of a companion, one after the other as it moves.</summary>
    public static Sprite[] Drawings(int company) =>
        company switch
        {
            1 => Dogs,
            2 => Birds,
            _ => Balloons,
        };

    /// <summary>Upper left corner of a companion, and which drawing of it is shown.</summary>
    public static (int Left, int Top, int Drawing) Stand(int company, int frame, double facing)
    {
        var (drawings, sway) = (Drawings(company), Math.Sin(2 * Math.PI * frame / 32));
        var left = Math.Round(Middle - facing * Behind[company] - (drawings[0].Width - 1) / 2.0);
        return company switch
        {
            1 => ((int)left, DogRow, frame / 4 % 2),
            2 => ((int)left, BirdRow + (int)Math.Round(1.4 * sway), frame / 4 % 2),
            _ => ((int)left, BalloonRow + (int)Math.Round(sway), 0),
        };
    }

    public static void Paint(Span<Pixel> canvas, Span<Pixel> palette, in Light light, JourneyTake take, int frame)
    {
        if (take.Company == 0)
            return;
        var facing = take.Facing(frame);
        var (left, top, drawing) = Stand(take.Company, frame, facing);
        Palette.Set(palette, Colours[take.CompanyColour], light.Near);
        var sprite = Drawings(take.Company)[drawing];
        if (take.Company == 3)
            Cord(canvas, light, left + sprite.Width / 2, top + sprite.Height, facing);
        sprite.Paint(canvas, palette, left, top, facing < 0);
    }

    // From the balloon to the hand that holds it.
    private static void Cord(Span<Pixel> canvas, in Light light, int x, int y, double facing)
    {
        Pixel thread = (Rgb)(70, 62, 76) * light.Near;
        var (handX, handY) = (Middle - facing * 3, Hiker.Soles - 12);
        for (var row = y; row <= handY; row++)
        {
            var along = (double)(row - y) / (handY - y);
            canvas[row * Scene.Side + (int)Math.Round(x + (handX - x) * along * along)] = thread;
        }
    }
}
