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

    /// <summary>One second as a video of its own.</summary>
    public MeasuredVideo Part(int s)
    {
        var (start, end) = Second(s);
        return new(Rgb[(start * Traveller.FrameBytes)..(end * Traveller.FrameBytes)], Stride);
    }

    /// <summary>Mean squared step of the luma to the right and down, with the light divided out.</summary>
    public double Gradient(Rgb light)
    {
        const int Side = Traveller.Side;
        var (sum, luma) = (0.0, new double[Side * Side]);
        Rgb weight = (.299 / light.R, .587 / light.G, .114 / light.B);
        for (var f = 0; f < Frames; f++)
        {
            var pixels = Frame(f);
            for (var i = 0; i < luma.Length; i++)
                luma[i] = weight.Dot(pixels[i]);
            for (var i = 0; i < luma.Length; i++)
            {
                if (i % Side < Side - 1)
                    sum += (luma[i + 1] - luma[i]) * (luma[i + 1] - luma[i]);
                if (i < luma.Length - Side)
                    sum += (luma[i + Side] - luma[i]) * (luma[i + Side] - luma[i]);
            }
        }
        return sum / Frames / luma.Length;
    }

    /// <summary>Mean change from frame to frame, with the light divided out, RGB units.</summary>
    public double Motion(Rgb light)
    {
        Rgb sum = default;
        for (var f = 1; f < Frames; f++)
            sum += Changes(f);
        return Frames < 2 ? 0 : (sum / light).Mean / (Frames - 1);
    }

    /// <summary>Mean change from the frame before, RGB units.</summary>
    public double Change(int frame) => Changes(frame).Mean;

    private Rgb Changes(int frame)
    {
        var before = Frame(frame - 1);
        var now = Frame(frame);
        var (red, green, blue) = (0, 0, 0);
        for (var i = 0; i < now.Length; i++)
        {
            red += Math.Abs(now[i].R - before[i].R);
            green += Math.Abs(now[i].G - before[i].G);
            blue += Math.Abs(now[i].B - before[i].B);
        }
        return (Rgb)(red, green, blue) * (1.0 / now.Length);
    }

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
