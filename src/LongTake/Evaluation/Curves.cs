using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Measures of a video as functions of time: one number a second, null where the world does not say.</summary>
internal static class Curves
{
    /// <summary>
    /// arc: distance from the schedule of the day. biome: 1 on the ground of the schedule. identity: distance of the coat's colour
    /// in full light from its mean over the first five seconds, RGB. hat: 1 for the caption's hat (null without a
    /// caption). scroll: error of the ground's speed, px a world frame. pattern, gradient, motion: absolute, to be
    /// divided by those of real videos. gait: share of the 5 s around that 1 Hz explains.
    /// </summary>
    public static Dictionary<string, double?[]> Of(MeasuredVideo video, WorldTruth truth)
    {
        var days = Sky.Read(video);
        var (coats, hats, feet) = (Walker.Coats(video, days), Walker.Hats(video, days), Walker.Feet(video).Feet);
        var first = coats.Take(5).Aggregate(default(Rgb), (a, b) => a + b) * (1.0 / Math.Min(5, coats.Length));
        double?[] Each(Func<int, double?> of) => [.. Enumerable.Range(0, days.Length).Select(of)];
        var seconds = Enumerable.Range(0, days.Length).Select(s => Second(video, s)).ToArray();
        var pattern = seconds.Select((f, s) => Places.Pattern(f, [days[s]])).ToArray();
        return new()
        {
            ["arc"] = Each(s => Sky.Off(days[s], s)),
            ["biome"] = Each(s =>
                Places.Due(s) is { } due
                    ? Places.Ground(video, s, days[s]) == due
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
            ["gait"] = Each(s => Walker.Explained(Around(video, feet, s), video.Rate)),
        };
    }

    /// <summary>Mean change from frame to frame of all pixels, in the light of noon, RGB units.</summary>
    private static double Motion(MeasuredVideo video, in Day day)
    {
        if (video.Frames < 2)
            return 0;
        double red = 0,
            green = 0,
            blue = 0;
        for (var f = 1; f < video.Frames; f++)
        {
            var before = video.Frame(f - 1);
            var now = video.Frame(f);
            for (var i = 0; i < now.Length; i++)
            {
                red += Math.Abs(now[i].R - before[i].R);
                green += Math.Abs(now[i].G - before[i].G);
                blue += Math.Abs(now[i].B - before[i].B);
            }
        }
        return (red / day.Tint.R + green / day.Tint.G + blue / day.Tint.B)
            / (3 * video.Frame(0).Length * (video.Frames - 1));
    }

    private static MeasuredVideo Second(MeasuredVideo video, int s)
    {
        var (start, end) = video.Second(s);
        return new(
            video.Rgb.AsSpan(start * Traveller.FrameBytes, (end - start) * Traveller.FrameBytes).ToArray(),
            video.Stride
        );
    }

    private static ReadOnlySpan<double> Around(MeasuredVideo video, double[] feet, int s)
    {
        var seconds = Math.Min(5, video.Seconds);
        var from = Math.Clamp(s - seconds / 2, 0, video.Seconds - seconds);
        return feet.AsSpan(video.Second(from).Start, video.Second(from + seconds - 1).End - video.Second(from).Start);
    }
}
