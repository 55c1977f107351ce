using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace LongTake.Evaluation;

/// <summary>
/// Features of windows of video from a small 3-D convolution network whose weights are drawn once and never trained.
/// Three layers of 3x3x3, stride 2, leaky ReLU: 8, 16, 32 channels; then the mean of each channel in each row of the
/// last map, and its spread.
/// </summary>
internal static class RandomFeatures
{
    private static readonly int[] Channels = [3, 8, 16, 32];

    private static readonly float[][] weights =
    [
        .. Enumerable
            .Range(0, Channels.Length - 1)
            .Select(i =>
            {
                var (rng, count, fan) = (new Rng(0, i), Channels[i] * Channels[i + 1] * 27, Channels[i] * 27);
                return Enumerable.Range(0, count).Select(_ => (float)(rng.Normal() * Math.Sqrt(2.0 / fan))).ToArray();
            }),
    ];

    /// <summary>
    /// Features of each window of <paramref name="frames"/> frames of a video of square pictures,
    /// [windows][numbers].
    /// </summary>
    public static float[][] Of(byte[] video, int side, int frames) =>
        [.. Windows(video, side * side * 3 * frames).Select(window => OfWindow(window, side, frames))];

    /// <summary>A video cut into windows of so many bytes; a rest is left out.</summary>
    public static IEnumerable<byte[]> Windows(byte[] video, int bytes) =>
        Enumerable.Range(0, video.Length / bytes).Select(i => video.AsSpan(i * bytes, bytes).ToArray());

    private static float[] OfWindow(byte[] window, int side, int t)
    {
        var x = Array.ConvertAll(window, v => v / 127.5f - 1);
        for (var i = 0; i < weights.Length; i++)
        {
            x = Convolve(x, t, side, Channels[i], Channels[i + 1], weights[i]);
            (t, side) = ((t + 1) / 2, side / 2);
        }
        return Pool(x, t, side, Channels[^1]);
    }

    /// <summary>x [t, side, side, cin], w [27, cin, cout] -> [(t + 1) / 2, side / 2, side / 2, cout].</summary>
    private static float[] Convolve(float[] x, int t, int side, int cin, int cout, float[] w)
    {
        var (ot, os) = ((t + 1) / 2, side / 2);
        var y = new float[ot * os * os * cout];
        var lanes = cout / 8;
        var kernels = MemoryMarshal.Cast<float, Vector256<float>>(w);
        var outputs = MemoryMarshal.Cast<float, Vector256<float>>(y.AsSpan());
        for (var o = 0; o < ot * os * os; o++)
        {
            var to = outputs.Slice(o * lanes, lanes);
            for (var k = 0; k < 27; k++)
            {
                var at = o / (os * os) * 2 + k / 9 - 1;
                var (row, col) = (o / os % os * 2 + k / 3 % 3 - 1, o % os * 2 + k % 3 - 1);
                if (at < 0 || at >= t || row < 0 || row >= side || col < 0 || col >= side)
                    continue;
                var from = ((at * side + row) * side + col) * cin;
                for (var c = 0; c < cin; c++)
                for (var d = 0; d < lanes; d++)
                    to[d] += x[from + c] * kernels[(k * cin + c) * lanes + d];
            }
            for (var d = 0; d < lanes; d++)
                to[d] = Vector256.Max(to[d], .2f * to[d]);
        }
        return y;
    }

    private static float[] Pool(float[] x, int t, int side, int channels)
    {
        var (rows, spread) = (new double[side * channels], new double[channels]);
        for (var i = 0; i < x.Length; i++)
        {
            rows[i / (side * channels) % side * channels + i % channels] += x[i] / (t * side);
            spread[i % channels] += (double)x[i] * x[i];
        }
        for (var c = 0; c < channels; c++)
        {
            var mean = Enumerable.Range(0, side).Average(r => rows[r * channels + c]);
            spread[c] = Math.Sqrt(Math.Max(0, spread[c] / (t * side * side) - mean * mean));
        }
        return Array.ConvertAll([.. rows, .. spread], v => (float)v);
    }
}
