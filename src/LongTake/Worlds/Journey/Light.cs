namespace LongTake.Worlds.Journey;

/// <summary>The light at an hour of a day that comes round: 0 midnight, 1/4 sunrise, 1/2 noon, 3/4 sunset.</summary>
internal readonly struct Light
{
    private static readonly double[] Knots = [0, .17, .23, .29, .38, .50, .62, .70, .76, .82, .90, 1];
    private static readonly Rgb[] Zeniths =
    [
        (14, 18, 58),
        (20, 34, 88),
        (66, 84, 164),
        (98, 150, 226),
        (76, 156, 240),
        (56, 142, 246),
        (80, 152, 232),
        (98, 124, 204),
        (92, 66, 150),
        (54, 38, 112),
        (26, 18, 72),
        (14, 18, 58),
    ];
    private static readonly Rgb[] Middles =
    [
        (30, 40, 98),
        (46, 72, 130),
        (190, 130, 162),
        (172, 206, 236),
        (136, 200, 248),
        (118, 192, 252),
        (156, 200, 234),
        (226, 178, 160),
        (222, 104, 112),
        (120, 62, 134),
        (50, 36, 102),
        (30, 40, 98),
    ];
    private static readonly Rgb[] Horizons =
    [
        (58, 72, 132),
        (88, 112, 158),
        (255, 186, 146),
        (255, 232, 190),
        (206, 234, 248),
        (196, 232, 252),
        (238, 230, 204),
        (255, 210, 132),
        (255, 146, 74),
        (202, 96, 112),
        (88, 62, 124),
        (58, 72, 132),
    ];
    private static readonly Rgb[] Tints =
    [
        (.44, .50, .76),
        (.50, .57, .78),
        (.88, .72, .72),
        (1, .93, .84),
        (1, .99, .96),
        (1, 1, 1),
        (1, .97, .92),
        (1, .87, .72),
        (.95, .66, .58),
        (.66, .50, .66),
        (.50, .46, .72),
        (.44, .50, .76),
    ];

    public readonly double Hour;

    /// <summary>Colours of the sky at its top, half way down and at the horizon.</summary>
    public readonly Rgb Zenith,
        Middle,
        Horizon;

    /// <summary>What the light does to the colours of the land.</summary>
    public readonly Rgb Tint;

    public Light(double hour)
    {
        Hour = hour - Math.Floor(hour);
        var i = 0;
        while (Hour >= Knots[i + 1])
            i++;
        var k = (Hour - Knots[i]) / (Knots[i + 1] - Knots[i]);
        Zenith = Rgb.Lerp(Zeniths[i], Zeniths[i + 1], k);
        Middle = Rgb.Lerp(Middles[i], Middles[i + 1], k);
        Horizon = Rgb.Lerp(Horizons[i], Horizons[i + 1], k);
        Tint = Rgb.Lerp(Tints[i], Tints[i + 1], k);
    }

    /// <summary>What the light does to whom and what one is to recognise: half of the tint.</summary>
    public Rgb Near => Tint * .5 + (.5, .5, .5);

    /// <summary>From 0 by day to 1 at night: how bright the stars are, and the lamps.</summary>
    public double Dark => Math.Clamp((.86 - Tint.R) / .34, 0, 1);

    /// <summary>Colour of the sky, from 0 at the top to 1 at the horizon.</summary>
    public Rgb Sky(double down) =>
        down < .5 ? Rgb.Lerp(Zenith, Middle, 2 * down) : Rgb.Lerp(Middle, Horizon, Math.Min(2 * down - 1, 1));
}
