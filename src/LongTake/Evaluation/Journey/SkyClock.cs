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
                    var (light, canvas) = (new Light((double)i / Hours), new Pixel[Scene.Side * Scene.Side]);
                    Heavens.Paint(canvas, light, 0);
                    return (light, Blocks(canvas));
                }),
        ]
    );

    /// <summary>
    /// The light of each second: that of the hour whose sky is nearest. What hides the sky counts for little.
    /// </summary>
    public static Light[] Read(JourneyVideo video) =>
        [
            .. Enumerable
                .Range(0, video.Seconds)
                .Select(s =>
                {
                    Rgb[][] seen =
                    [
                        .. Enumerable.Range(0, 4).Select(i => Blocks(video.Frame(s * JourneyVideo.Rate + 4 * i + 2))),
                    ];
                    Rgb[] mean = [.. seen[0].Select((_, b) => (seen[0][b] + seen[1][b] + seen[2][b] + seen[3][b]) * .25)];
                    return skies.Value.MinBy(sky => Apart(sky.Blocks, mean)).Light;
                }),
        ];

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
