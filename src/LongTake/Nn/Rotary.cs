namespace LongTake.Nn;

/// <summary>
/// Rotary positions over (time, height, width), as Wan's: the head's d/2 complex channels are split d/2 - 2 (d/6), d/6, d/6,
/// each axis with its own exponents, base 10000; angles in float64. Reference: wan/modules/model.py, rope_params.
/// </summary>
public static class Rotary
{
    /// <summary>cos and sin, each [T*H*W * headDim/2], of tokens in (time, height, width) order from frame <paramref name="start"/>.</summary>
    public static (float[] Cos, float[] Sin) Table(int headDim, int frames, int height, int width, int start = 0)
    {
        var half = headDim / 2;
        int spatial = half / 3, temporal = half - 2 * spatial;
        var (cos, sin) = (new float[frames * height * width * half], new float[frames * height * width * half]);
        double[] time = Exponents(temporal), space = Exponents(spatial);
        var at = 0;
        for (var t = 0; t < frames; t++)
            for (var y = 0; y < height; y++)
                for (var x = 0; x < width; x++)
                    for (var c = 0; c < half; c++, at++)
                    {
                        var angle = c < temporal ? (start + t) * time[c]
                            : c < temporal + spatial ? y * space[c - temporal] : x * space[c - temporal - spatial];
                        (cos[at], sin[at]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
                    }
        return (cos, sin);
    }

    private static double[] Exponents(int count) =>
        [.. Enumerable.Range(0, count).Select(i => Math.Pow(10000, -(double)i / count))];

    /// <summary>Rotates adjacent pairs: x [B, N, heads, d] with cos and sin [1, N, 1, d/2]; float32 inside, the element type of x out.</summary>
    public static Tensor Apply(Tensor x, Tensor cos, Tensor sin)
    {
        var (b, n, heads, d) = x;
        var pairs = x.To(Dtype.F32).Reshape(b, n, heads, d / 2, 2);
        var (re, im) = (Select(pairs, 4, 0), Select(pairs, 4, 1));
        return Stack([re * cos - im * sin, re * sin + im * cos], 4).Reshape(b, n, heads, d).To(x.Dtype);
    }
}
