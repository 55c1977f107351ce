using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Measures of a film as functions of time: one number a second, null where the world does not say.</summary>
internal static class Curves
{
    /// <summary>
    /// arc: distance from the day law. biome: 1 on the ground of the schedule. identity: distance of the coat's colour
    /// in full light from its mean over the first five seconds, RGB. hat: 1 for the caption's hat (null without a
    /// caption). scroll: error of the ground's speed, px a world frame. pattern, gradient, motion: absolute, to be
    /// divided by those of real films. gait: share of the 5 s around that 1 Hz explains.
    /// </summary>
    public static Dictionary<string, double?[]> Of(Film film, WorldTruth truth)
    {
        var days = Sky.Read(film);
        var (coats, hats, feet) = (Walker.Coats(film, days), Walker.Hats(film, days), Walker.Feet(film).Feet);
        var first = coats.Take(5).Aggregate(default(Rgb), (a, b) => a + b) * (1.0 / Math.Min(5, coats.Length));
        double?[] Each(Func<int, double?> of) => [.. Enumerable.Range(0, days.Length).Select(of)];
        var seconds = Enumerable.Range(0, days.Length).Select(s => Second(film, s)).ToArray();
        var pattern = seconds.Select((f, s) => Places.Pattern(f, [days[s]])).ToArray();
        return new()
        {
            ["arc"] = Each(s => Sky.Off(days[s], s)),
            ["biome"] = Each(s =>
                Places.Due(s) is { } due
                    ? Places.Ground(film, s, days[s]) == due
                        ? 1
                        : 0
                    : null
            ),
            ["identity"] = Each(s => Math.Sqrt((coats[s] - first).Dot(coats[s] - first))),
            ["hat"] = Each(s =>
                truth.Hat is { } hat
                    ? hats[s] == hat
                        ? 1
                        : 0
                    : null
            ),
            ["scroll"] = Each(s => pattern[s].Scroll),
            ["pattern"] = Each(s => pattern[s].Amplitude),
            ["gradient"] = Each(s => WorldMetrics.Gradient(seconds[s], [days[s]])),
            ["motion"] = Each(s => Motion(seconds[s], days[s])),
            ["gait"] = Each(s => Walker.Explained(Around(film, feet, s), film.Rate)),
        };
    }

    /// <summary>Mean change from frame to frame of all pixels, in the light of noon, RGB units.</summary>
    private static double Motion(Film film, in Day day)
    {
        if (film.Frames < 2)
            return 0;
        double red = 0,
            green = 0,
            blue = 0;
        for (var f = 1; f < film.Frames; f++)
        {
            var before = film.Frame(f - 1);
            var now = film.Frame(f);
            for (var i = 0; i < now.Length; i++)
            {
                red += Math.Abs(now[i].R - before[i].R);
                green += Math.Abs(now[i].G - before[i].G);
                blue += Math.Abs(now[i].B - before[i].B);
            }
        }
        return (red / day.Tint.R + green / day.Tint.G + blue / day.Tint.B)
            / (3 * film.Frame(0).Length * (film.Frames - 1));
    }

    private static Film Second(Film film, int s)
    {
        var (start, end) = film.Second(s);
        return new(
            film.Rgb.AsSpan(start * Traveller.FrameBytes, (end - start) * Traveller.FrameBytes).ToArray(),
            film.Stride
        );
    }

    private static ReadOnlySpan<double> Around(Film film, double[] feet, int s)
    {
        var seconds = Math.Min(5, film.Seconds);
        var from = Math.Clamp(s - seconds / 2, 0, film.Seconds - seconds);
        return feet.AsSpan(film.Second(from).Start, film.Second(from + seconds - 1).End - film.Second(from).Start);
    }
}
