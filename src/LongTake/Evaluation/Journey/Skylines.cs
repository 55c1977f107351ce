using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Whether the skyline on the way back is the one of the way there.</summary>
internal static class Skylines
{
    private const int Lowest = Scene.Horizon - 3,
        Highest = 16,
        Others = 4;
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
        return Correlation(heights, there) - Enumerable.Range(0, Others).Average(i => Correlation(heights, Other(i, frame)));
    }

    private static double[] Other(int i, int frame)
    {
        var take = JourneyTake.Long(new Rng(0, 9, i), 0, 0, 0) with { Hour = .5, HourRate = 0 };
        var canvas = new byte[Scene.FrameBytes];
        Scene.Render(take, frame, canvas);
        return Heights(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Pixel>(canvas), new(.5));
    }

    // In each column that the traveller leaves free: how far what is not sky reaches up from the land.
    private static double[] Heights(ReadOnlySpan<Pixel> frame, in Light light)
    {
        List<double> heights = [];
        for (var x = 0; x < Scene.Side; x++)
        {
            if (x is >= Scene.Centre - 9 and < Scene.Centre + 9)
                continue;
            var y = Lowest;
            while (y > Highest && (Differs(frame, light, x, y) || Differs(frame, light, x, y - 1)))
                y--;
            heights.Add(Lowest - y);
        }
        return [.. heights];
    }

    private static bool Differs(ReadOnlySpan<Pixel> frame, in Light light, int x, int y)
    {
        var off = frame[y * Scene.Side + x] - light.Sky((double)y / Scene.Horizon);
        return off.Dot(off) > Apart;
    }

    private static double Correlation(double[] a, double[] b)
    {
        var (ma, mb) = (a.Average(), b.Average());
        var (both, first, second) = (0.0, 0.0, 0.0);
        for (var i = 0; i < a.Length; i++)
        {
            both += (a[i] - ma) * (b[i] - mb);
            first += (a[i] - ma) * (a[i] - ma);
            second += (b[i] - mb) * (b[i] - mb);
        }
        return first * second == 0 ? 0 : both / Math.Sqrt(first * second);
    }
}
