using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Where a video is: its biome, the ground and how it scrolls, and the lighthouse.</summary>
internal static class Biomes
{
    private const int Side = Traveller.Side;
    private static readonly double[] Cos = [.. Enumerable.Range(0, 8).Select(x => Math.Cos(2 * Math.PI * x / 8))];

    /// <summary>The biome of the schedule in a second; null within 3.2 s of a change.</summary>
    public static int? Due(int second)
    {
        var at = (second + .5) * TravellerTake.FramesPerSecond / 244;
        var change = Math.Clamp(Math.Round(at), 1, 3);
        return Math.Abs(at - change) * 244 / TravellerTake.FramesPerSecond < 3.2 ? null : Math.Min((int)at, 3);
    }

    /// <summary>Biome whose ground, in this light, is nearest to the median ground.</summary>
    public static int Seen(MeasuredVideo video, int second, in Day day)
    {
        var (seen, tint) = (video.Median(second, 0, Side - 1, 28, 31), day.Tint);
        return Enumerable.Range(0, 4).MinBy(b => Distance(seen, Scenery.Ground[b] * tint));
    }

    private static double Distance(Rgb a, Rgb b) => (a - b).Dot(a - b);

    /// <summary>
    /// The pattern of the ground: mean error of its speed, |px per world frame - 1|, and its mean amplitude. Each row's
    /// Fourier term of period 8 turns as the ground moves; rows 28..31, which no leg reaches, vote with their power.
    /// </summary>
    public static (double Scroll, double Amplitude) Pattern(MeasuredVideo video, Day[] days)
    {
        var (before, now) = (new (double Re, double Im)[4], new (double Re, double Im)[4]);
        var (error, amplitude, steps) = (0.0, 0.0, 0);
        for (var f = 0; f < video.Frames; f++)
        {
            var tint = days[Math.Min((int)(f / video.Rate), days.Length - 1)].Tint;
            for (var g = 0; g < 4; g++)
                now[g] = Fourier(video, f, 28 + g, tint);
            amplitude += Math.Sqrt(now.Sum(c => c.Re * c.Re + c.Im * c.Im)) / video.Frames;
            if (f > 0)
            {
                var (re, im) = (0.0, 0.0);
                for (var g = 0; g < 4; g++)
                {
                    re += before[g].Re * now[g].Re + before[g].Im * now[g].Im;
                    im += before[g].Re * now[g].Im - before[g].Im * now[g].Re;
                }
                error += Math.Abs(Math.Atan2(im, re) * 8 / (2 * Math.PI) / video.Stride - 1);
                steps++;
            }
            (before, now) = (now, before);
        }
        return (steps == 0 ? 0 : error / steps, amplitude);
    }

    private static (double Re, double Im) Fourier(MeasuredVideo video, int frame, int y, Rgb tint)
    {
        var (re, im) = (0.0, 0.0);
        for (var x = 0; x < Side; x++)
        {
            var v = ((Rgb)video.At(frame, x, y) / tint).Luma;
            re += v * Cos[x % 8];
            im -= v * Cos[(x + 6) % 8];
        }
        return (re * 2 / Side, im * 2 / Side);
    }

    /// <summary>Colour of the lighthouse in each second, or -1 if fewer than half of its frames show one.</summary>
    public static int[] Lighthouses(MeasuredVideo video, Day[] days)
    {
        var seen = new int[days.Length];
        Span<int> votes = stackalloc int[3];
        for (var s = 0; s < seen.Length; s++)
        {
            votes.Clear();
            var (start, end) = video.Second(s);
            for (var f = start; f < end; f++)
                if (Lighthouse(video, f, days[s]) is var c and >= 0)
                    votes[c]++;
            var best =
                votes[0] >= votes[1] && votes[0] >= votes[2] ? 0
                : votes[1] >= votes[2] ? 1
                : 2;
            seen[s] = 2 * (votes[0] + votes[1] + votes[2]) >= end - start ? best : -1;
        }
        return seen;
    }

    /// <summary>
    /// The lighthouse of one frame, or -1: in its four inner columns the rows 8..19 alternate every three rows between
    /// colour and grey, so even less odd stripes must point along colour - grey, and about as far.
    /// </summary>
    private static int Lighthouse(MeasuredVideo video, int frame, in Day day)
    {
        Rgb light = (.45 + .55 * day.Tint.R, .45 + .55 * day.Tint.G, .45 + .55 * day.Tint.B);
        Span<Rgb> stripes = stackalloc Rgb[Side];
        for (var x = 0; x < Side; x++)
        {
            Rgb sum = default;
            for (var y = 8; y < 20; y++)
                sum += (Rgb)video.At(frame, x, y) * ((y - 8) / 3 % 2 == 0 ? 1 : -1);
            stripes[x] = sum * (1 / 6.0) / light;
        }
        var (best, found) = (.8, -1);
        for (var left = 0; left + 4 <= Side; left++)
        for (var c = 0; c < 3 && (left < 7 || left > 19); c++) // the traveller's own colours stand between
        {
            var seen = (stripes[left] + stripes[left + 1] + stripes[left + 2] + stripes[left + 3]) * .25;
            var likeness = Likeness(seen, Traveller.LighthouseColours[c] - (245, 245, 245));
            if (likeness > best)
                (best, found) = (likeness, c);
        }
        return found;
    }

    // Cosine of the two, or 0 if their lengths are far apart: blur lowers the contrast, not the hue.
    private static double Likeness(Rgb seen, Rgb expected)
    {
        var (dot, length) = (seen.Dot(expected), expected.Dot(expected));
        return dot / length is > .45 and < 1.6 ? dot / Math.Sqrt(seen.Dot(seen) * length) : 0;
    }
}
