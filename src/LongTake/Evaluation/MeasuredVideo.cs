using System.Runtime.InteropServices;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Decoded frames [frames, 32, 32, 3], one every <paramref name="Stride"/> world frames.</summary>
internal sealed record MeasuredVideo(byte[] Rgb, int Stride)
{
    public int Frames => Rgb.Length / Traveller.FrameBytes;

    /// <summary>Frames a second.</summary>
    public double Rate => (double)TravellerTake.FramesPerSecond / Stride;

    /// <summary>Whole seconds.</summary>
    public int Seconds => (int)(Frames / Rate);

    public ReadOnlySpan<Pixel> Frame(int i) =>
        MemoryMarshal.Cast<byte, Pixel>(Rgb.AsSpan(i * Traveller.FrameBytes, Traveller.FrameBytes));

    public Pixel At(int frame, int x, int y)
    {
        var i = ((frame * Traveller.Side + y) * Traveller.Side + x) * 3;
        return new(Rgb[i], Rgb[i + 1], Rgb[i + 2]);
    }

    /// <summary>First frame of a second and the one after its last.</summary>
    public (int Start, int End) Second(int s) => ((int)(s * Rate), (int)((s + 1) * Rate));

    /// <summary>Median of each channel over a box of a second; limits are inclusive.</summary>
    public Rgb Median(int second, int left, int right, int top, int bottom)
    {
        Span<int> red = stackalloc int[256],
            green = stackalloc int[256],
            blue = stackalloc int[256];
        var (start, end) = Second(second);
        for (var f = start; f < end; f++)
        for (var y = top; y <= bottom; y++)
        for (var x = left; x <= right; x++)
        {
            var p = At(f, x, y);
            red[p.R]++;
            green[p.G]++;
            blue[p.B]++;
        }
        var half = (end - start) * (bottom - top + 1) * (right - left + 1) / 2;
        return (Middle(red, half), Middle(green, half), Middle(blue, half));
    }

    /// <summary>Mean colour over a box of a second; limits are inclusive.</summary>
    public Rgb Mean(int second, int left, int right, int top, int bottom)
    {
        var (start, end) = Second(second);
        Rgb sum = default;
        for (var f = start; f < end; f++)
        for (var y = top; y <= bottom; y++)
        for (var x = left; x <= right; x++)
            sum += At(f, x, y);
        return sum * (1.0 / ((end - start) * (bottom - top + 1) * (right - left + 1)));
    }

    private static int Middle(ReadOnlySpan<int> counts, int half)
    {
        var (v, seen) = (0, counts[0]);
        while (seen <= half)
            seen += counts[++v];
        return v;
    }
}
