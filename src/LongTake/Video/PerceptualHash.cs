using System.Numerics;

namespace LongTake.Video;

/// <summary>
/// The usual perceptual hash of a picture: signs of its 8x8 lowest cosine coefficients about their median. Pictures
/// that differ by scale, compression or a little brightness differ by a few of 64 bits, unrelated ones by about 32.
/// </summary>
public static class PerceptualHash
{
    /// <summary>Seconds between two hashes of a shot.</summary>
    public const double Seconds = 0.5;

    const int Side = 8;
    static readonly float[] across = Cosines(SmallFrame.Width),
        down = Cosines(SmallFrame.Height);

    public static ulong Of(SmallFrame frame)
    {
        var rows = new float[SmallFrame.Height * Side];
        for (var y = 0; y < SmallFrame.Height; y++)
        for (var k = 0; k < Side; k++)
        {
            float sum = 0;
            for (var x = 0; x < SmallFrame.Width; x++)
                sum += frame.Luma[y * SmallFrame.Width + x] * across[k * SmallFrame.Width + x];
            rows[y * Side + k] = sum;
        }
        var coefficients = new float[Side * Side];
        for (var j = 0; j < Side; j++)
        for (var k = 0; k < Side; k++)
        for (var y = 0; y < SmallFrame.Height; y++)
            coefficients[j * Side + k] += rows[y * Side + k] * down[j * SmallFrame.Height + y];
        coefficients[0] = 0; // brightness
        var middle = coefficients.Order().ElementAt(Side * Side / 2);
        ulong hash = 0;
        for (var i = 0; i < Side * Side; i++)
            if (coefficients[i] > middle)
                hash |= 1UL << i;
        return hash;
    }

    /// <summary>Bits in which two pictures differ, 0 to 64.</summary>
    public static int Distance(ulong a, ulong b) => BitOperations.PopCount(a ^ b);

    /// <summary>
    /// Mean distance of two series where they fit best, one moved against the other in steps, over at least `overlap`
    /// of the shorter one: at most about 8 for copies of one another, 64 when one is empty.
    /// </summary>
    public static double Distance(IReadOnlyList<ulong> a, IReadOnlyList<ulong> b, double overlap = 0.5)
    {
        var least = Math.Max(1, (int)Math.Ceiling(overlap * Math.Min(a.Count, b.Count)));
        var best = 64.0;
        for (var shift = least - b.Count; shift <= a.Count - least; shift++)
        {
            var (from, to) = (Math.Max(0, shift), Math.Min(a.Count, b.Count + shift));
            long sum = 0;
            for (var i = from; i < to; i++)
                sum += Distance(a[i], b[i - shift]);
            if (to > from)
                best = Math.Min(best, (double)sum / (to - from));
        }
        return best;
    }

    static float[] Cosines(int n) =>
        [.. Enumerable.Range(0, Side * n).Select(i => (float)Math.Cos(Math.PI * (i / n) * (i % n + 0.5) / n))];
}
