using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Whether the skyline on the way back is the one of the way there.</summary>
internal static class Skylines
{
    private const int Lowest = Scene.Horizon - 3,
        Highest = 16,
        Tallest = 15, // what is taller is a landmark
        Others = 16;
    private const double Apart = 26 * 26;

    /// <summary>
    /// Mean correlation, over the frames in the middle of a second of the way back, with the skyline at the mirrored
    /// frame, less that with the skylines of other takes.
    /// </summary>
    public static double? Recall(JourneyVideo video, Walk walk, Light[] lights)
    {
        List<double> recalls = [];
        for (var s = 0; s < video.Seconds; s++)
            if (s * JourneyVideo.Rate + JourneyVideo.Rate / 2 is var f && walk.Mirror(f) is { } mirror)
                recalls.Add(Recall(video, lights, f, mirror));
        return recalls.Count == 0 ? null : recalls.Average();
    }

    private static double Recall(JourneyVideo video, Light[] lights, int frame, int mirror)
    {
        var heights = Heights(video.Frame(frame), lights[video.SecondOf(frame)]);
        var there = Heights(video.Frame(mirror), lights[video.SecondOf(mirror)]);
        return Correlation(heights, there)
            - Enumerable.Range(0, Others).Average(i => Correlation(heights, Other(i, frame)));
    }

    private static double[] Other(int i, int frame)
    {
        var take = JourneyTake.Long(new Rng(0, 9, i), 0, 0, 0) with { Hour = .5, HourRate = 0, Company = 0 };
        var canvas = new byte[Scene.FrameBytes];
        Scene.Render(take, frame, canvas);
        return Heights(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Pixel>(canvas), new(.5));
    }

    // In each column that the traveller leaves free: how far what is not sky, sun or moon reaches up from the land.
    private static double[] Heights(ReadOnlySpan<Pixel> frame, in Light light)
    {
        var heavens = Heavens.Of(light);
        List<double> heights = [];
        for (var x = 0; x < Scene.Side; x++)
        {
            if (x is >= Scene.Centre - 9 and < Scene.Centre + 9)
                continue;
            var y = Lowest;
            while (y > Highest && (Differs(frame, heavens, x, y) || Differs(frame, heavens, x, y - 1)))
                y--;
            heights.Add(Lowest - y);
        }
        return [.. heights];
    }

    private static bool Differs(ReadOnlySpan<Pixel> frame, Pixel[] heavens, int x, int y)
    {
        var off = frame[y * Scene.Side + x] - (Rgb)heavens[y * Scene.Side + x];
        return off.Dot(off) > Apart;
    }

    // Of the columns in which both are skyline.
    private static double Correlation(double[] all, double[] others)
    {
        var both = all.Zip(others).Where(h => h is { First: <= Tallest, Second: <= Tallest }).ToList();
        if (both.Count < 8)
            return 0;
        var (a, b) = (both.Average(h => h.First), both.Average(h => h.Second));
        var product = both.Sum(h => (h.First - a) * (h.Second - b));
        var (first, second) = (
            both.Sum(h => (h.First - a) * (h.First - a)),
            both.Sum(h => (h.Second - b) * (h.Second - b))
        );
        return first * second == 0 ? 0 : product / Math.Sqrt(first * second);
    }
}
