using System.Runtime.InteropServices;
using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Decoded frames [frames, 64, 64, 3], 16 a second.</summary>
internal sealed class JourneyVideo
{
    /// <summary>Frames a second.</summary>
    public const int Rate = JourneyTake.FramesPerSecond;

    private const int Side = Scene.Side;
    private readonly byte[] rgb;

    public JourneyVideo(byte[] rgb)
    {
        if (rgb.Length % Scene.FrameBytes != 0)
            throw new ArgumentException($"{rgb.Length} bytes are not whole frames of {Scene.FrameBytes}");
        if (rgb.Length < Rate * Scene.FrameBytes)
            throw new ArgumentException($"{rgb.Length / Scene.FrameBytes} frames are less than a second");
        this.rgb = rgb;
    }

    public int Frames => rgb.Length / Scene.FrameBytes;

    /// <summary>Whole seconds.</summary>
    public int Seconds => Frames / Rate;

    /// <summary>Second of a frame; what is left over after the last whole second belongs to that.</summary>
    public int SecondOf(int frame) => Math.Min(frame / Rate, Seconds - 1);

    public ReadOnlySpan<Pixel> Frame(int i) =>
        MemoryMarshal.Cast<byte, Pixel>(rgb.AsSpan(i * Scene.FrameBytes, Scene.FrameBytes));

    /// <summary>A frame in soft focus, 1 2 1 in both directions: in it sharp and soft videos look more alike.</summary>
    public Pixel[] Soft(int i) => Soft(Frame(i).ToArray());

    /// <summary>A picture of one's own, put into soft focus.</summary>
    public static Pixel[] Soft(Pixel[] frame)
    {
        Footage.Blur(MemoryMarshal.AsBytes(frame.AsSpan()), 1);
        return frame;
    }

    /// <summary>The video with all colours further from grey, to undo a loss of contrast.</summary>
    public JourneyVideo Restored(double contrast)
    {
        byte[] restored =
        [
            .. Enumerable
                .Range(0, 256)
                .Select(v => (byte)Math.Clamp(Footage.Grey + (v - Footage.Grey) / contrast, 0, 255)),
        ];
        return contrast == 1 ? this : new(Array.ConvertAll(rgb, v => restored[v]));
    }

    /// <summary>Mean colour over a box of one frame; limits are inclusive.</summary>
    public Rgb Mean(int frame, int left, int right, int top, int bottom)
    {
        var pixels = Frame(frame);
        var (red, green, blue) = (0, 0, 0);
        for (var y = top; y <= bottom; y++)
            foreach (var p in pixels.Slice(y * Side + left, right - left + 1))
                (red, green, blue) = (red + p.R, green + p.G, blue + p.B);
        return (Rgb)(red, green, blue) * (1.0 / ((bottom - top + 1) * (right - left + 1)));
    }

    /// <summary>Mean colour over a box of a second; limits are inclusive.</summary>
    public Rgb MeanOfSecond(int second, int left, int right, int top, int bottom) =>
        Enumerable
            .Range(second * Rate, Rate)
            .Aggregate(default(Rgb), (sum, f) => sum + Mean(f, left, right, top, bottom)) * (1.0 / Rate);

    /// <summary>Median of each channel over a box of a second; limits are inclusive.</summary>
    public Rgb Median(int second, int left, int right, int top, int bottom)
    {
        Span<int> red = stackalloc int[256],
            green = stackalloc int[256],
            blue = stackalloc int[256];
        for (var f = second * Rate; f < (second + 1) * Rate; f++)
        for (var y = top; y <= bottom; y++)
            foreach (var p in Frame(f).Slice(y * Side + left, right - left + 1))
            {
                red[p.R]++;
                green[p.G]++;
                blue[p.B]++;
            }
        var half = Rate * (bottom - top + 1) * (right - left + 1) / 2;
        return (Middle(red, half), Middle(green, half), Middle(blue, half));
    }

    private static int Middle(ReadOnlySpan<int> counts, int half)
    {
        var (v, seen) = (0, counts[0]);
        while (seen <= half)
            seen += counts[++v];
        return v;
    }

    /// <summary>Mean squared step of the luma to the right and down in a second, the light divided out.</summary>
    public double Gradient(int second, Rgb light)
    {
        var (sum, luma) = (0.0, new double[Side * Side]);
        Rgb weight = (.299 / light.R, .587 / light.G, .114 / light.B);
        for (var f = second * Rate; f < (second + 1) * Rate; f++)
        {
            var pixels = Frame(f);
            for (var i = 0; i < luma.Length; i++)
                luma[i] = weight.R * pixels[i].R + weight.G * pixels[i].G + weight.B * pixels[i].B;
            for (var i = 0; i < luma.Length; i++)
            {
                var across = i % Side < Side - 1 ? luma[i + 1] - luma[i] : 0;
                var down = i < luma.Length - Side ? luma[i + Side] - luma[i] : 0;
                sum += across * across + down * down;
            }
        }
        return sum / Rate / luma.Length;
    }

    /// <summary>Mean change from frame to frame in a second, the light divided out, RGB units.</summary>
    public double Motion(int second, Rgb light) =>
        Enumerable.Range(second * Rate + 1, Rate - 1).Average(f => (Change(f) / light).Mean);

    /// <summary>Mean change of each channel from the frame before, RGB units.</summary>
    public Rgb Change(int frame)
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
}
