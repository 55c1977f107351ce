using LongTake.Generation;

namespace LongTake.Takes;

/// <summary>Measures the seconds of a video from its frames as they pass.</summary>
internal sealed class SecondMeasures(double fps)
{
    private readonly List<SecondMeasure> done = [];
    private byte[]? before;
    private int second = -1,
        frames,
        changes;
    private double luma,
        colour,
        sharpness,
        motion;

    /// <summary>Adds frame number <paramref name="index"/> of the video.</summary>
    public void Add(Frame frame, int index)
    {
        if ((int)(index / fps) is var now && now != second)
            Finish(now);
        var (rgb, width) = (frame.Rgb, frame.Width);
        var (sumLuma, sumColour, sumEdges, sumChange) = (0.0, 0.0, 0.0, 0.0);
        for (var i = 0; i < rgb.Length; i += 3)
        {
            var y = Luma(rgb, i);
            sumLuma += y;
            sumColour +=
                Math.Max(rgb[i], Math.Max(rgb[i + 1], rgb[i + 2])) - Math.Min(rgb[i], Math.Min(rgb[i + 1], rgb[i + 2]));
            if (i / 3 % width > 0)
                sumEdges += Square(y - Luma(rgb, i - 3));
            if (i >= 3 * width)
                sumEdges += Square(y - Luma(rgb, i - 3 * width));
            if (before is not null)
                sumChange += Math.Abs(y - Luma(before, i));
        }
        var pixels = rgb.Length / 3;
        luma += sumLuma / pixels;
        colour += sumColour / pixels;
        sharpness += sumEdges / pixels;
        if (before is not null)
            (motion, changes) = (motion + sumChange / pixels, changes + 1);
        frames++;
        before = rgb;
    }

    /// <summary>All seconds.</summary>
    public IReadOnlyList<SecondMeasure> All()
    {
        Finish(-1);
        return done;
    }

    private void Finish(int next)
    {
        if (frames > 0)
            done.Add(
                new(
                    second,
                    Rounded(luma / frames),
                    Rounded(colour / frames),
                    Rounded(sharpness / frames),
                    Rounded(motion / Math.Max(1, changes))
                )
            );
        (second, frames, changes, luma, colour, sharpness, motion) = (next, 0, 0, 0, 0, 0, 0);
    }

    private static double Luma(byte[] rgb, int i) => .299 * rgb[i] + .587 * rgb[i + 1] + .114 * rgb[i + 2];

    private static double Square(double x) => x * x;

    private static double Rounded(double x) => Math.Round(x, 3);
}
