using System.Runtime.Intrinsics;

namespace LongTake.Video;

/// <summary>
/// One frame of a video as a thumbnail: brightness [36, 64], the same with mean 0 and contrast 1, a histogram of
/// colour, and brightness at twice the size. Made from planar 4:2:0 bytes of 128x72, full range.
/// </summary>
public sealed class SmallFrame
{
    public const int Width = 64,
        Height = 36,
        Pixels = Width * Height;
    public const int FineWidth = 2 * Width,
        FineHeight = 2 * Height;

    /// <summary>Bytes it is made from: brightness, then the two colour differences at half the size.</summary>
    public const int Bytes = FineWidth * FineHeight + 2 * Pixels;

    // Z is in 1/32 of a standard std, 128 is the mean; a frame flatter than this many grey levels is not blown up
    // to full contrast.
    const int Unit = 32;
    const double Flat = 12;
    const int Bins = 8;
    internal const int Blocks = Width / BlockWidth * Height / BlockHeight,
        BlocksAcross = Width / BlockWidth;
    const int BlockWidth = 8,
        BlockHeight = 6,
        ReachX = 4,
        ReachY = 3;

    const int Pool = 4,
        CoarsePlane = Pixels / Pool / Pool;

    readonly byte[] z;
    readonly float[] colour = new float[Bins * Bins];

    /// <param name="yuv">Planes of 128x72, 64x36 and 64x36 bytes.</param>
    /// <param name="index">Number of the frame in its video.</param>
    /// <param name="time">Seconds from the first frame.</param>
    public SmallFrame(ReadOnlySpan<byte> yuv, int index, double time)
    {
        (Index, Time) = (index, time);
        Fine = yuv[..(FineWidth * FineHeight)].ToArray();
        var cb = yuv.Slice(Fine.Length, Pixels);
        var cr = yuv.Slice(Fine.Length + Pixels, Pixels);
        Luma = new byte[Pixels];
        long sum = 0,
            squares = 0;
        for (int y = 0, i = 0; y < Height; y++)
        for (var x = 0; x < Width; x++, i++)
        {
            var at = 2 * y * FineWidth + 2 * x;
            var bright = (Fine[at] + Fine[at + 1] + Fine[at + FineWidth] + Fine[at + FineWidth + 1] + 2) >> 2;
            Luma[i] = (byte)bright;
            sum += bright;
            squares += bright * bright;
            Spread(cb[i], cr[i]);
        }
        Mean = (double)sum / Pixels;
        Contrast = Math.Sqrt(Math.Max(0, (double)squares / Pixels - Mean * Mean));
        z = Normalised();
        Coarse = new float[3 * CoarsePlane];
        Pooled(Luma, Coarse);
        Pooled(cb, Coarse.AsSpan(CoarsePlane));
        Pooled(cr, Coarse.AsSpan(2 * CoarsePlane));
    }

    public int Index { get; }
    public double Time { get; }

    /// <summary>Brightness [36, 64], 0 to 255.</summary>
    public byte[] Luma { get; }

    /// <summary>Brightness [72, 128], 0 to 255.</summary>
    public byte[] Fine { get; }

    /// <summary>
    /// Brightness and both colour differences at 16x9: motion matters little there, mixtures stay mixtures.
    /// </summary>
    internal float[] Coarse { get; }

    /// <summary>How unlike the frame before this one is; set by <see cref="Follow"/>.</summary>
    internal double Step { get; private set; }

    /// <summary>Compares with the frame before, once.</summary>
    internal void Follow(SmallFrame before) => Step = Distance(before, this);

    /// <summary>Mean brightness, 0 to 255.</summary>
    public double Mean { get; }

    /// <summary>Standard std of brightness.</summary>
    public double Contrast { get; }

    /// <summary>
    /// How unlike two frames are: 0 = alike, about 0.1 = neighbours in one shot, above 0.5 = unrelated. Brightness and
    /// contrast of the whole frame do not count; each 8x6 block of one is sought near its place in the other, so motion
    /// of up to a sixteenth of the picture counts little; half the difference of the colour histograms is added.
    /// </summary>
    public static double Distance(SmallFrame a, SmallFrame b)
    {
        double overlap = 0;
        for (var i = 0; i < Bins * Bins; i++)
            overlap += Math.Min(a.colour[i], b.colour[i]);
        return Structure(a, b) + 0.5 * (1 - overlap / Pixels);
    }

    /// <summary>The part of <see cref="Distance"/> that does not come from colour.</summary>
    internal static double Structure(SmallFrame a, SmallFrame b)
    {
        long total = 0;
        for (var y = 0; y < Height; y += BlockHeight)
        for (var x = 0; x < Width; x += BlockWidth)
            total += Nearest(a.z, b.z, x, y);
        return (double)total / (Pixels * Unit);
    }

    /// <summary>
    /// Mean difference of brightness of each of <see cref="Blocks"/> blocks, 8 across and 6 down, from the nearest near
    /// its place.
    /// </summary>
    internal static void Residuals(SmallFrame a, SmallFrame b, Span<float> blocks)
    {
        for (int y = 0, i = 0; y < Height; y += BlockHeight)
        for (var x = 0; x < Width; x += BlockWidth, i++)
            blocks[i] = Nearest(a.Luma, b.Luma, x, y) / (float)(BlockWidth * BlockHeight);
    }

    /// <summary>Blocks whose brightness differs, at their very place, by less than this on average.</summary>
    internal static int AlikeInPlace(SmallFrame a, SmallFrame b, double differs)
    {
        var (alike, limit) = (0, differs * BlockWidth * BlockHeight);
        for (var y = 0; y < Height; y += BlockHeight)
        for (var x = 0; x < Width; x += BlockWidth)
            if (Sum(Block(a.Luma, y * Width + x), Block(b.Luma, y * Width + x)) < limit)
                alike++;
        return alike;
    }

    /// <summary>Mean absolute difference of brightness, pixel by pixel, in grey levels.</summary>
    public static double Change(SmallFrame a, SmallFrame b)
    {
        long sum = 0;
        for (var i = 0; i < Pixels; i++)
            sum += Math.Abs(a.Luma[i] - b.Luma[i]);
        return (double)sum / Pixels;
    }

    // The least sum of absolute differences of b's block and any block of a within reach.
    static int Nearest(byte[] a, byte[] b, int x0, int y0)
    {
        var target = Block(b, y0 * Width + x0);
        var best = Sum(target, Block(a, y0 * Width + x0));
        for (var y = Math.Max(0, y0 - ReachY); y <= Math.Min(Height - BlockHeight, y0 + ReachY) && best > 0; y++)
        for (var x = Math.Max(0, x0 - ReachX); x <= Math.Min(Width - BlockWidth, x0 + ReachX); x++)
            best = Math.Min(best, Sum(target, Block(a, y * Width + x)));
        return best;
    }

    // Six rows of eight as three vectors.
    static (Vector128<byte>, Vector128<byte>, Vector128<byte>) Block(byte[] plane, int at) =>
        (Rows(plane, at), Rows(plane, at + 2 * Width), Rows(plane, at + 4 * Width));

    static Vector128<byte> Rows(byte[] plane, int at) =>
        Vector128
            .Create(BitConverter.ToUInt64(plane.AsSpan(at, 8)), BitConverter.ToUInt64(plane.AsSpan(at + Width, 8)))
            .AsByte();

    static int Sum(
        (Vector128<byte>, Vector128<byte>, Vector128<byte>) a,
        (Vector128<byte>, Vector128<byte>, Vector128<byte>) b
    )
    {
        var sum = Wide(a.Item1, b.Item1) + Wide(a.Item2, b.Item2) + Wide(a.Item3, b.Item3);
        return Vector128.Sum(sum);
    }

    // Two bytes' differences in each of eight sums.
    static Vector128<ushort> Wide(Vector128<byte> a, Vector128<byte> b)
    {
        var difference = Vector128.Max(a, b) - Vector128.Min(a, b);
        return Vector128.WidenLower(difference) + Vector128.WidenUpper(difference);
    }

    static void Pooled(ReadOnlySpan<byte> plane, Span<float> coarse)
    {
        for (int y = 0, i = 0; y < Height; y += Pool)
        for (var x = 0; x < Width; x += Pool, i++)
        {
            var sum = 0;
            for (var j = 0; j < Pool * Pool; j++)
                sum += plane[(y + j / Pool) * Width + x + j % Pool];
            coarse[i] = sum / (float)(Pool * Pool);
        }
    }

    byte[] Normalised()
    {
        var scale = (float)(Unit / Math.Max(Contrast, Flat));
        var offset = 128.5f - (float)Mean * scale;
        return Array.ConvertAll(Luma, v => (byte)Math.Clamp(v * scale + offset, 1, 255));
    }

    // Shares a colour among its four nearest bins, so that a small shift of hue is a small difference. Bins are 16
    // levels wide.
    void Spread(byte cb, byte cr)
    {
        var (u, v) = (
            Math.Clamp((cb - 128) / 16f + 3.5f, 0, Bins - 1.001f),
            Math.Clamp((cr - 128) / 16f + 3.5f, 0, Bins - 1.001f)
        );
        var (i, j) = ((int)u, (int)v);
        var (fu, fv) = (u - i, v - j);
        colour[i * Bins + j] += (1 - fu) * (1 - fv);
        colour[i * Bins + j + 1] += (1 - fu) * fv;
        colour[(i + 1) * Bins + j] += fu * (1 - fv);
        colour[(i + 1) * Bins + j + 1] += fu * fv;
    }
}
