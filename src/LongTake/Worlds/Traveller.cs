using System.Runtime.InteropServices;

namespace LongTake.Worlds;

/// <summary>
/// A world with known truth: a figure walks to the right, in place, while four layers scroll past it to the left.
/// A picture is a pure function of a take and a frame number. Hard edges, layers painted back to front.
/// </summary>
public static class Traveller
{
    /// <summary>Width and height of a picture, and its bytes.</summary>
    public const int Side = 32,
        FrameBytes = Side * Side * 3;

    internal const int Horizon = 26;
    internal static readonly Rgb[] LighthouseColours = [(225, 40, 40), (40, 80, 235), (225, 45, 205)];

    private static readonly Rgb[] Far = [(70, 125, 80), (25, 85, 60), (95, 95, 118), (205, 150, 90)];

    /// <summary>Paints one frame: 32 x 32 x 3 bytes, RGB, row by row.</summary>
    public static void Render(TravellerTake take, int frame, Span<byte> rgb)
    {
        if (rgb.Length != FrameBytes)
            throw new ArgumentException($"a frame is {FrameBytes} bytes, given {rgb.Length}");
        var canvas = MemoryMarshal.Cast<byte, Pixel>(rgb);
        var day = new Day(take.Phase(frame));
        Sky(canvas, day, frame);
        Skyline(canvas, day, take, frame);
        foreach (var entry in take.Lighthouses)
            Lighthouse(canvas, day, take.LighthouseColour, frame - entry);
        Scenery.Paint(canvas, day, take, frame);
        Figure.Paint(canvas, day, take, frame);
    }

    /// <summary>Every <paramref name="stride"/>-th world frame: bytes [frames, 32, 32, 3]; 2 is 8 a second.</summary>
    public static byte[] Video(TravellerTake take, int firstWorldFrame, int frames, int stride)
    {
        var video = new byte[frames * FrameBytes];
        for (var i = 0; i < frames; i++)
            Render(take, firstWorldFrame + i * stride, video.AsSpan(i * FrameBytes, FrameBytes));
        return video;
    }

    /// <summary>A number in [0, 1) that looks random, from two others.</summary>
    private static double Hash(double n, double s)
    {
        var v = 43758.5453 * Math.Sin(12.9898 * n + 78.233 * s);
        return v - Math.Floor(v);
    }

    private static readonly (int X, int Y)[] Stars =
    [
        .. Enumerable.Range(0, 7).Select(i => ((int)(32 * Hash(i, 1.7)), (int)(10 * Hash(i, 4.2)))),
    ];

    private static void Sky(Span<Pixel> canvas, in Day day, int frame)
    {
        for (var y = 0; y < Horizon; y++)
            canvas.Slice(y * Side, Side).Fill(day.Sky(y));
        var dark = Math.Clamp((day.Phase - .80) / .08, 0, 1);
        for (var i = 0; i < Stars.Length && dark > 0; i++)
        {
            var (x, y) = Stars[i];
            canvas[y * Side + x] = Rgb.Lerp(day.Sky(y), (255, 255, 255), dark * (.3 + .7 * ((frame / 4 + i) % 2)));
        }
        if (day.Phase < .76)
        {
            var up = 17 - 13 * Math.Sin(Math.PI * Math.Min(day.Phase / .74, 1));
            Disc(canvas, 2 + 28 * day.Phase / .74, up, 2.6, (255.0, 236.0, 150.0), 0);
        }
        if (day.Phase > .80)
            Disc(canvas, 2 + 28 * (day.Phase - .80) / .25, 6, 2.3, (235.0, 235.0, 215.0), 1.9);
    }

    /// <summary>A disc; a bite of radius <paramref name="bite"/>, if any, is taken out at its upper right.</summary>
    private static void Disc(Span<Pixel> canvas, double cx, double cy, double r, Rgb colour, double bite)
    {
        Pixel pixel = colour;
        for (var y = (int)(cy - r); y <= cy + r; y++)
        for (var x = Math.Max((int)(cx - r), 0); x <= cx + r && x < Side; x++)
            if (Within(x - cx, y - cy, r) && !(bite > 0 && Within(x - cx - 1.3, y - 5.3, bite)))
                canvas[y * Side + x] = pixel;
    }

    private static bool Within(double dx, double dy, double r) => dx * dx + dy * dy <= r * r;

    private static void Skyline(Span<Pixel> canvas, in Day day, TravellerTake take, int frame)
    {
        var start = .25 * frame + take.FarOffset;
        var lit = Math.Clamp((.75 - day.Tint.R) / .35, 0, 1);
        Pixel window = Rgb.Lerp((Rgb)(60, 60, 80) * day.Tint, (255, 220, 110), lit);
        for (var x = 0; x < Side; x++)
        {
            var (at, biome) = ((int)Math.Floor(x + start), take.Biome(frame, x, .25));
            Pixel colour = Far[biome] * day.Tint;
            var top = Horizon - Height(biome, at, take.SkylineSeed);
            for (var y = top; y < Horizon; y++)
                canvas[y * Side + x] = colour;
            var (c, r) = (at / 5, at % 5);
            if (biome != 2 || r is not (1 or 3))
                continue;
            for (var y = top + 1 | 1; y < Horizon; y += 2)
                if (Hash(31 * c + 7 * r + 3 * y, take.SkylineSeed) < .6)
                    canvas[y * Side + x] = window;
        }
    }

    private static int Height(int biome, int at, double seed) =>
        biome switch
        {
            0 => 5
                + (int)
                    Math.Round(
                        2 * Math.Sin(2 * Math.PI * at / 32 + seed) + 1.5 * Math.Sin(2 * Math.PI * at / 13 + 2 * seed)
                    ),
            1 => (int)Math.Floor(7 + 4 * Hash(at / 6, seed) - 1.6 * Math.Abs(at % 6 - 2.5)),
            2 => at % 5 == 4 ? 3 : 5 + (int)(8 * Hash(at / 5, seed + 3)),
            _ => 3 + (int)Math.Round(5 * Math.Abs(Math.Sin(Math.PI * at / 28 + seed))),
        };

    /// <summary>A striped lighthouse, six columns wide, <paramref name="age"/> frames after it entered.</summary>
    private static void Lighthouse(Span<Pixel> canvas, in Day day, int colour, double age)
    {
        if (age < 0 || age >= 152)
            return;
        Rgb light = (.45 + .55 * day.Tint.R, .45 + .55 * day.Tint.G, .45 + .55 * day.Tint.B);
        Pixel even = LighthouseColours[colour] * light,
            odd = (Rgb)(245, 245, 245) * light;
        var left = (int)Math.Floor(Side - .25 * age);
        for (var y = 8; y < Horizon; y++)
        for (var d = y > 11 ? 0 : 1; d < (y > 11 ? 6 : 5); d++)
            if (left + d is >= 0 and < Side)
                canvas[y * Side + left + d] = (y - 8) / 3 % 2 == 0 ? even : odd;
    }
}
