using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>The hour of each second, read off the sky with its sun and moon, and how steadily it runs.</summary>
internal static class SkyClock
{
    private const int Hours = 480,
        Block = 4,
        Across = Scene.Side / Block,
        Down = 5;
    private const double Clip = 30 * 30;

    // Mean colours of the blocks of the upper sky at every hour, without clouds.
    private static readonly Lazy<(Light Light, Rgb[] Blocks)[]> skies = new(() =>
        [
            .. Enumerable
                .Range(0, Hours)
                .Select(i =>
                {
                    var light = new Light((double)i / Hours);
                    return (light, Blocks(Heavens.Of(light)));
                }),
        ]
    );

    // Contrasts that a video may have.
    private static readonly double[] contrasts = [1, .95, .9, .85, .8, .75, .7];

    /// <summary>
    /// The light of each second: that of the hour whose sky is nearest. What hides the sky counts for little. And the
    /// contrast at which the skies fit best.
    /// </summary>
    public static (Light[] Lights, double Contrast) Read(JourneyVideo video)
    {
        Rgb[][] seen = [.. Enumerable.Range(0, video.Seconds).Select(s => Seen(video, s))];
        return
            contrasts
                .Select(contrast =>
                {
                    var fits = seen.Select(s => Fit(Array.ConvertAll(s, b => Restore(b, contrast)))).ToList();
                    return (fits.Select(f => f.Light).ToArray(), Contrast: contrast, Off: fits.Sum(f => f.Off));
                })
                .MinBy(fit => fit.Off * fit.Contrast * fit.Contrast)
                is var best
            ? (best.Item1, best.Contrast)
            : default;
    }

    private static Rgb[] Seen(JourneyVideo video, int second)
    {
        var mean = new Rgb[Across * Down];
        for (var i = 2; i < JourneyVideo.Rate; i += 4)
            foreach (var (b, colour) in Blocks(video.Frame(second * JourneyVideo.Rate + i)).Index())
                mean[b] += colour * (4.0 / JourneyVideo.Rate);
        return mean;
    }

    private static Rgb Restore(Rgb colour, double contrast)
    {
        Rgb grey = (Footage.Grey, Footage.Grey, Footage.Grey);
        return grey + (colour - grey) * (1 / contrast);
    }

    private static (Light Light, double Off) Fit(Rgb[] seen)
    {
        var best = (default(Light), Off: double.PositiveInfinity);
        foreach (var (light, blocks) in skies.Value)
            if (Apart(blocks, seen) is var off && off < best.Off)
                best = (light, off);
        return best;
    }

    private static double Apart(Rgb[] a, Rgb[] b)
    {
        var sum = 0.0;
        for (var i = 0; i < a.Length; i++)
            sum += Math.Min((a[i] - b[i]).Dot(a[i] - b[i]), Clip);
        return sum;
    }

    private static Rgb[] Blocks(ReadOnlySpan<Pixel> frame)
    {
        var blocks = new Rgb[Across * Down];
        for (var i = 0; i < Block * Down * Scene.Side; i++)
            blocks[i / Scene.Side / Block * Across + i % Scene.Side / Block] += (Rgb)frame[i] * (1.0 / (Block * Block));
        return blocks;
    }

    /// <summary>
    /// The day that runs at a constant rate and comes nearest to the hours: its rate, in days a second, and the root
    /// mean square of the distances from it, in days.
    /// </summary>
    public static (double Rate, double Off) Line(double[] hours)
    {
        var best = (Rate: 0.0, Off: double.PositiveInfinity);
        for (var i = -300; i <= 300; i++)
        {
            var rate = i / 200.0 / 60;
            var (re, im) = (0.0, 0.0);
            for (var s = 0; s < hours.Length; s++)
            {
                var angle = 2 * Math.PI * (hours[s] - rate * s);
                (re, im) = (re + Math.Cos(angle), im + Math.Sin(angle));
            }
            var start = Math.Atan2(im, re) / (2 * Math.PI);
            var off = Math.Sqrt(hours.Select((h, s) => Apart(h, start + rate * s)).Average(d => d * d));
            if (off < best.Off)
                best = (rate, off);
        }
        return best;
    }

    /// <summary>Share of the steps of five seconds that do not run against a rate by more than .01 of a day.</summary>
    public static double Steady(double[] hours, double rate) =>
        hours.Length <= 5
            ? 1
            : hours.Zip(hours.Skip(5)).Average(h => Apart(h.Second, h.First) * Math.Sign(rate) > -.01 ? 1.0 : 0);

    /// <summary>From b to a, the shorter way round the day.</summary>
    private static double Apart(double a, double b) => a - b - Math.Round(a - b);
}
