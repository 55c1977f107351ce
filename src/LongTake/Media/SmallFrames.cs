namespace LongTake.Media;

/// <summary>
/// Every stored frame of a film as a thumbnail, for questions about the whole of it: brightness [36, 64], the
/// same with mean 0 and contrast 1, and a histogram of colour. About 5 KB a frame.
/// </summary>
public sealed class SmallFrames
{
    public const int Width = 64, Height = 36, Pixels = Width * Height;

    // Z is in 1/32 of a standard deviation; a frame flatter than this many grey levels is not blown up to full contrast.
    const int Unit = 32;
    const double Flat = 12;
    const int Bins = 8;

    readonly List<byte[]> luma = [];
    readonly List<sbyte[]> z = [];
    readonly List<float[]> colour = [];
    readonly List<double> mean = [];
    readonly List<double> contrast = [];

    public int Count => luma.Count;

    /// <summary>Lines of complaint from the decoder, and the last of them.</summary>
    public int Complaints { get; private set; }

    public string Complaint { get; private set; } = "";

    /// <summary>Mean brightness of a frame, 0 to 255.</summary>
    public double Mean(int frame) => mean[frame];

    /// <summary>Standard deviation of brightness over a frame.</summary>
    public double Contrast(int frame) => contrast[frame];

    public ReadOnlySpan<byte> Luma(int frame) => luma[frame];

    /// <summary>Decodes a whole file, its time stamps ignored.</summary>
    /// <exception cref="UserException">As <see cref="VideoReader"/>.</exception>
    public static SmallFrames Read(string path, TimeSpan? patience = null, CancellationToken token = default)
    {
        var options = new ReadOptions { Width = Width, Height = Height, Stretch = true };
        if (patience is { } p) options = options with { Patience = p };
        using var reader = new VideoReader(path, options, token);
        var all = new SmallFrames();
        var frame = new byte[reader.FrameBytes];
        while (reader.Read(frame)) all.Add(frame);
        (all.Complaints, all.Complaint) = (reader.Complaints, reader.Complaint);
        return all;
    }

    /// <summary>Adds a frame, RGB bytes [36, 64, 3].</summary>
    public void Add(ReadOnlySpan<byte> rgb)
    {
        var y = new byte[Pixels];
        var histogram = new float[Bins * Bins];
        double sum = 0, squares = 0;
        for (var i = 0; i < Pixels; i++)
        {
            var (r, g, b) = (rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]);
            var bright = 0.299 * r + 0.587 * g + 0.114 * b;
            y[i] = (byte)(bright + 0.5);
            sum += bright;
            squares += bright * bright;
            Spread(histogram, 0.564 * (b - bright), 0.713 * (r - bright));
        }
        var average = sum / Pixels;
        var deviation = Math.Sqrt(Math.Max(0, squares / Pixels - average * average));
        var scale = Unit / Math.Max(deviation, Flat);
        luma.Add(y);
        z.Add(Array.ConvertAll(y, v => (sbyte)Math.Clamp((v - average) * scale, -127, 127)));
        colour.Add(histogram);
        mean.Add(average);
        contrast.Add(deviation);
    }

    /// <summary>
    /// How unlike two frames are: 0 = alike, about 0.1 = neighbours in one shot, above 0.5 = unrelated. Brightness
    /// and contrast of the whole frame do not count; each 8x6 block of one is sought near its place in the other, so motion of
    /// up to a sixteenth of the picture counts little; half the difference of the colour histograms is added.
    /// </summary>
    public double Distance(int a, int b)
    {
        double overlap = 0;
        for (var i = 0; i < Bins * Bins; i++) overlap += Math.Min(colour[a][i], colour[b][i]);
        return Residual(z[a], z[b]) + 0.5 * (1 - overlap / Pixels);
    }

    /// <summary>Mean absolute difference of brightness, pixel by pixel, in grey levels.</summary>
    public double Change(int a, int b)
    {
        long sum = 0;
        for (var i = 0; i < Pixels; i++) sum += Math.Abs(luma[a][i] - luma[b][i]);
        return (double)sum / Pixels;
    }

    static double Residual(sbyte[] a, sbyte[] b)
    {
        const int bw = 8, bh = 6, reachX = 4, reachY = 3;
        long total = 0;
        for (var y0 = 0; y0 < Height; y0 += bh)
            for (var x0 = 0; x0 < Width; x0 += bw)
            {
                var best = int.MaxValue;
                for (var y1 = Math.Max(0, y0 - reachY); y1 <= Math.Min(Height - bh, y0 + reachY); y1++)
                    for (var x1 = Math.Max(0, x0 - reachX); x1 <= Math.Min(Width - bw, x0 + reachX); x1++)
                    {
                        var sum = 0;
                        for (var y = 0; y < bh && sum < best; y++)
                        {
                            var p = (y0 + y) * Width + x0;
                            var q = (y1 + y) * Width + x1;
                            for (var x = 0; x < bw; x++) sum += Math.Abs(b[p + x] - a[q + x]);
                        }
                        best = Math.Min(best, sum);
                    }
                total += best;
            }
        return (double)total / (Pixels * Unit);
    }

    // Shares a colour among its four nearest bins, so that a small shift of hue is a small difference. Bins are 16 levels wide.
    static void Spread(float[] histogram, double cb, double cr)
    {
        var (u, v) = (Math.Clamp(cb / 16 + 3.5, 0, Bins - 1.001), Math.Clamp(cr / 16 + 3.5, 0, Bins - 1.001));
        var (i, j) = ((int)u, (int)v);
        var (fu, fv) = ((float)(u - i), (float)(v - j));
        histogram[i * Bins + j] += (1 - fu) * (1 - fv);
        histogram[i * Bins + j + 1] += (1 - fu) * fv;
        histogram[(i + 1) * Bins + j] += fu * (1 - fv);
        histogram[(i + 1) * Bins + j + 1] += fu * fv;
    }
}
