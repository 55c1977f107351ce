namespace LongTake.Worlds;

/// <summary>Three stored bytes of a picture.</summary>
internal readonly record struct Pixel(byte R, byte G, byte B);

/// <summary>A colour, 0..255 a channel, before it is stored.</summary>
internal readonly record struct Rgb(double R, double G, double B)
{
    public static Rgb operator *(Rgb a, double k) => new(a.R * k, a.G * k, a.B * k);

    public static Rgb operator *(Rgb a, Rgb b) => new(a.R * b.R, a.G * b.G, a.B * b.B);

    public static Rgb operator /(Rgb a, Rgb b) => new(a.R / b.R, a.G / b.G, a.B / b.B);

    public static Rgb operator +(Rgb a, Rgb b) => new(a.R + b.R, a.G + b.G, a.B + b.B);

    public static Rgb operator -(Rgb a, Rgb b) => new(a.R - b.R, a.G - b.G, a.B - b.B);

    public static implicit operator Rgb((double R, double G, double B) c) => new(c.R, c.G, c.B);

    public static implicit operator Pixel(Rgb c) => new(Store(c.R), Store(c.G), Store(c.B));

    public static implicit operator Rgb(Pixel p) => new(p.R, p.G, p.B);

    public double Mean => (R + G + B) / 3;
    public double Luma => .299 * R + .587 * G + .114 * B;

    public double Dot(Rgb b) => R * b.R + G * b.G + B * b.B;

    public static Rgb Lerp(Rgb a, Rgb b, double k) => a + (b - a) * k;

    /// <summary>A saturated colour of hue h in [0, 1).</summary>
    public static Rgb Hue(double h) => (HueChannel(5 + 6 * h), HueChannel(3 + 6 * h), HueChannel(1 + 6 * h));

    private static double HueChannel(double k)
    {
        k %= 6;
        return 255 * (1 - .85 * Math.Max(0, Math.Min(Math.Min(k, 4 - k), 1)));
    }

    private static byte Store(double v) => (byte)Math.Clamp(v, 0, 255);
}

/// <summary>The light at one day phase.</summary>
internal readonly struct Day
{
    private static readonly double[] Knots = [0, .12, .30, .50, .66, .76, .88, 1];
    private static readonly Rgb[] Zeniths =
    [
        (70, 70, 130),
        (80, 140, 215),
        (60, 140, 235),
        (70, 150, 240),
        (110, 110, 190),
        (90, 50, 120),
        (12, 14, 48),
        (5, 6, 26),
    ];
    private static readonly Rgb[] Horizons =
    [
        (250, 160, 110),
        (245, 215, 160),
        (170, 220, 250),
        (190, 225, 240),
        (240, 190, 120),
        (250, 110, 60),
        (40, 36, 86),
        (18, 22, 58),
    ];
    private static readonly Rgb[] Tints =
    [
        (.75, .60, .58),
        (.95, .88, .80),
        (1, 1, 1),
        (1, 1, 1),
        (.95, .80, .65),
        (.75, .48, .45),
        (.30, .32, .50),
        (.24, .27, .45),
    ];

    public readonly double Phase;
    public readonly Rgb Zenith,
        Horizon,
        Tint;

    public Day(double phase)
    {
        Phase = phase;
        var i = 0;
        while (i < Knots.Length - 2 && phase > Knots[i + 1])
            i++;
        var k = (phase - Knots[i]) / (Knots[i + 1] - Knots[i]);
        Zenith = Rgb.Lerp(Zeniths[i], Zeniths[i + 1], k);
        Horizon = Rgb.Lerp(Horizons[i], Horizons[i + 1], k);
        Tint = Rgb.Lerp(Tints[i], Tints[i + 1], k);
    }

    /// <summary>Light on the traveller.</summary>
    public double Light => .6 + .4 * Tint.Mean;

    public Rgb Sky(int y) => Rgb.Lerp(Zenith, Horizon, Math.Min(y / 25.0, 1));
}
