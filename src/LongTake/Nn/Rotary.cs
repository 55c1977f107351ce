namespace LongTake.Nn;

/// <summary>
/// Rotary positions over (time, height, width), as Wan's: the head's d/2 complex channels are split d/2 - 2 (d/6), d/6,
/// d/6, each axis with its own exponents, base 10000; angles in float64. Reference: wan/modules/model.py, rope_params.
/// </summary>
public static class Rotary
{
    /// <summary>
    /// cos and sin, each [T*H*W * headDim/2], of tokens in (time, height, width) order from frame <paramref
    /// name="start"/>.
    /// </summary>
    public static (float[] Cos, float[] Sin) Table(int headDim, int frames, int height, int width, int start = 0) =>
        Table(headDim, [.. Enumerable.Range(start, frames)], height, width);

    /// <summary>cos and sin, each [T*H*W * headDim/2], with the frames at any <paramref name="times"/>.</summary>
    public static (float[] Cos, float[] Sin) Table(int headDim, IReadOnlyList<int> times, int height, int width)
    {
        var (half, frames) = (headDim / 2, times.Count);
        int spatial = half / 3,
            temporal = half - 2 * spatial;
        var (cos, sin) = (new float[frames * height * width * half], new float[frames * height * width * half]);
        double[] time = Exponents(temporal),
            space = Exponents(spatial);
        var at = 0;
        for (var t = 0; t < frames; t++)
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        for (var c = 0; c < half; c++, at++)
        {
            var angle =
                c < temporal ? times[t] * time[c]
                : c < temporal + spatial ? y * space[c - temporal]
                : x * space[c - temporal - spatial];
            (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
        }
        return (cos, sin);
    }

    /// <summary>
    /// For axial attention, whose heads see one axis each: cos and sin [T*H*W * heads * headDim/2]. The
    /// first half of the heads turn all their channels by time, base 1000 (many angles that tell neighbouring latents
    /// apart, where Wan's have two), the others half by height and half by width.
    /// </summary>
    public static (float[] Cos, float[] Sin) AxialTable(int heads, int headDim, int frames, int height, int width) =>
        AxialTable(heads, headDim, [.. Enumerable.Range(0, frames)], height, width);

    /// <summary>cos and sin of axial heads with the frames at any <paramref name="times"/>.</summary>
    public static (float[] Cos, float[] Sin) AxialTable(
        int heads,
        int headDim,
        IReadOnlyList<int> times,
        int height,
        int width
    )
    {
        var frames = times.Count;
        var half = headDim / 2;
        var across = half / 2;
        double[] time = Exponents(half, 1000),
            down = Exponents(half - across),
            side = Exponents(across);
        var (cos, sin) = (
            new float[frames * height * width * heads * half],
            new float[frames * height * width * heads * half]
        );
        var at = 0;
        for (var t = 0; t < frames; t++)
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        for (var h = 0; h < heads; h++)
        for (var c = 0; c < half; c++, at++)
        {
            var angle =
                h < heads / 2 ? times[t] * time[c]
                : c < half - across ? y * down[c]
                : x * side[c - (half - across)];
            (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
        }
        return (cos, sin);
    }

    private static double[] Exponents(int count, double theta = 10000) =>
        [.. Enumerable.Range(0, count).Select(i => Math.Pow(theta, -(double)i / count))];

    /// <summary>
    /// Rotates adjacent pairs: x [B, N, heads, d] with cos and sin [1, N, 1 or heads, d/2]; float32 inside, the element
    /// type of x out.
    /// </summary>
    public static Tensor Apply(Tensor x, Tensor cos, Tensor sin)
    {
        var (b, n, heads, d) = x;
        var pairs = x.to(ScalarType.Float32).reshape(b, n, heads, d / 2, 2);
        var (re, im) = (pairs.select(4, 0), pairs.select(4, 1));
        return torch.stack([re * cos - im * sin, re * sin + im * cos], 4).reshape(b, n, heads, d).to(x.dtype);
    }
}
