using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Who walks in a video, whether it stays the same, and how it walks.</summary>
internal static class Walker
{
    /// <summary>Coat colour of each second as it would look in full light.</summary>
    public static Rgb[] Coats(MeasuredVideo video, Day[] days) =>
        [.. days.Select((day, s) => video.Median(s, 11, 17, 17, 20) * (1 / day.Light))];

    /// <summary>
    /// Colour of the neck and its scarf in full light; a second is a whole stride: bobbing averages out.
    /// </summary>
    public static Rgb[] Scarves(MeasuredVideo video, Day[] days) =>
        [.. days.Select((day, s) => video.Mean(s, 12, 16, 14, 15) * (1 / day.Light))];

    /// <summary>Nearest coat of the palette by direction, because its brightness varies from video to video.</summary>
    public static int NearestCoat(Rgb seen) =>
        Enumerable
            .Range(0, Figure.Coats.Length)
            .MaxBy(c => seen.Dot(Figure.Coats[c]) / Math.Sqrt(Figure.Coats[c].Dot(Figure.Coats[c])));

    /// <summary>Standard deviation over the seconds, mean of the channels.</summary>
    public static double Drift(Rgb[] colours)
    {
        Rgb sum = default,
            squares = default;
        foreach (var c in colours)
            (sum, squares) = (sum + c, squares + c * c);
        var (mean, n) = (sum * (1.0 / colours.Length), 1.0 / colours.Length);
        var variance = squares * n - mean * mean;
        return (Root(variance.R) + Root(variance.G) + Root(variance.B)) / 3;
    }

    private static double Root(double v) => Math.Sqrt(Math.Max(v, 0));

    private const int HatLeft = 9,
        HatRight = 19,
        HatTop = 3,
        HatBottom = 12;

    // Head and hat in full light, [hat, bob], pixel by pixel of the box; null where they leave the sky free.
    private static readonly Rgb?[][] HatTemplates =
    [
        .. from hat in Enumerable.Range(0, 4) from bob in Enumerable.Range(0, 2) select HatTemplate(hat, bob),
    ];

    private static Rgb?[] HatTemplate(int hat, int bob)
    {
        var black = new Pixel[Traveller.Side * Traveller.Side];
        Pixel[] white = [.. black.Select(_ => new Pixel(255, 255, 255))];
        foreach (var canvas in (Pixel[][])[black, white])
        {
            Figure.Head(canvas, 1, bob);
            Figure.Hat(canvas, hat, 1, bob);
        }
        return
        [
            .. from y in Enumerable.Range(HatTop, HatBottom - HatTop + 1)
            from x in Enumerable.Range(HatLeft, HatRight - HatLeft + 1)
            let i = y * Traveller.Side + x
            select black[i] == white[i] ? (Rgb?)black[i] : null,
        ];
    }

    /// <summary>Hat of each second: the template over the sky of the second with the least clipped error.</summary>
    public static int[] Hats(MeasuredVideo video, Day[] days) =>
        [
            .. days.Select(
                (day, s) =>
                {
                    var (start, end) = video.Second(s);
                    return Enumerable
                        .Range(0, 4)
                        .MinBy(hat =>
                            Enumerable
                                .Range(start, end - start)
                                .Sum(f =>
                                    Math.Min(
                                        HatError(video, f, day, HatTemplates[2 * hat]),
                                        HatError(video, f, day, HatTemplates[2 * hat + 1])
                                    )
                                )
                        );
                }
            ),
        ];

    private static double HatError(MeasuredVideo video, int frame, in Day day, Rgb?[] template)
    {
        const double Clip = 80 * 80;
        var (error, i) = (0.0, 0);
        for (var y = HatTop; y <= HatBottom; y++)
        {
            var sky = day.Sky(y);
            for (var x = HatLeft; x <= HatRight; x++)
            {
                var off = video.At(frame, x, y) - (template[i++] * day.Light ?? sky);
                error += Math.Min(off.Dot(off), Clip);
            }
        }
        return error;
    }

    private const int LegLeft = 9,
        LegTop = 22,
        LegWidth = 11,
        LegHeight = 6,
        Swings = 45;

    // Whiteness of the legs around them, [swing, bob], zero mean and unit length, with soft edges.
    private static readonly (double Swing, double[] Pixels)[] LegTemplates =
    [
        .. from i in Enumerable.Range(0, Swings)
        from bob in Enumerable.Range(0, 2)
        select (Swing(i), LegTemplate(Swing(i), bob)),
    ];

    private static double Swing(int i) => 1.1 * (2.0 * i / (Swings - 1) - 1);

    private static double[] LegTemplate(double swing, int bob)
    {
        var pixels = new double[LegWidth * LegHeight];
        for (var y = 0; y < LegHeight; y++)
        for (var x = 0; x < LegWidth; x++)
        {
            var back = .3 + .3 * Cover(x + LegLeft, Figure.LegAt(y + LegTop, -swing, bob));
            var front = Cover(x + LegLeft, Figure.LegAt(y + LegTop, swing, bob));
            pixels[y * LegWidth + x] = back + (1 - back) * front;
        }
        Normalise(pixels);
        return pixels;
    }

    private static double Cover(int x, (double Low, double High) leg) =>
        Math.Clamp(Math.Min(x + .5 - leg.Low, leg.High - x + .5), 0, 1);

    /// <summary>
    /// Swing of the front foot in each frame, about -1..1; mean correlation of the best leg templates.
    /// </summary>
    public static (double[] Feet, double Legs) Feet(MeasuredVideo video)
    {
        var (feet, legs, patch) = (new double[video.Frames], 0.0, new double[LegWidth * LegHeight]);
        for (var f = 0; f < video.Frames; f++)
        {
            for (var i = 0; i < patch.Length; i++)
            {
                var p = video.At(f, LegLeft + i % LegWidth, LegTop + i / LegWidth);
                patch[i] = Math.Min(Math.Min(p.R, p.G), p.B);
            }
            Normalise(patch);
            var best = double.NegativeInfinity;
            foreach (var (swing, pixels) in LegTemplates)
            {
                var match = 0.0;
                for (var i = 0; i < patch.Length; i++)
                    match += patch[i] * pixels[i];
                if (match > best)
                    (best, feet[f]) = (match, swing);
            }
            legs += best / video.Frames;
        }
        return (feet, legs);
    }

    private static void Normalise(Span<double> v)
    {
        var (mean, square) = (0.0, 1e-12);
        foreach (var x in v)
            mean += x / v.Length;
        foreach (var x in v)
            square += (x - mean) * (x - mean);
        for (var i = 0; i < v.Length; i++)
            v[i] = (v[i] - mean) / Math.Sqrt(square);
    }

    /// <summary>
    /// Share of the variance of a swing that 1 Hz explains, over whole seconds; 0 if it stands still.
    /// </summary>
    public static double Explained(ReadOnlySpan<double> feet, double rate) => Power(feet, rate, 1);

    /// <summary>
    /// Distance in Hz of the strongest frequency from 1 Hz, from .2 to just below 4 or the rate's limit.
    /// </summary>
    public static double FrequencyError(ReadOnlySpan<double> feet, double rate)
    {
        var (best, peak) = (0.0, 0.0);
        for (var i = 10; i < 50 * Math.Min(4, rate / 2) - 5; i++)
            if (Power(feet, rate, i / 50.0) is var power && power > best)
                (best, peak) = (power, i / 50.0);
        return Math.Abs(peak - 1);
    }

    private static double Power(ReadOnlySpan<double> feet, double rate, double hz)
    {
        var (mean, variance, re, im) = (0.0, 0.0, 0.0, 0.0);
        foreach (var d in feet)
            mean += d / feet.Length;
        for (var i = 0; i < feet.Length; i++)
        {
            var (d, angle) = (feet[i] - mean, 2 * Math.PI * hz * i / rate);
            (variance, re, im) = (variance + d * d, re + d * Math.Cos(angle), im + d * Math.Sin(angle));
        }
        return variance < 1e-9 ? 0 : Math.Min(1, 2 * (re * re + im * im) / (feet.Length * variance));
    }
}
