using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Evaluation.Journey;

/// <summary>Where a video goes, read off the ground: speed, turns and biomes.</summary>
internal sealed class Walk
{
    private const int Side = Scene.Side,
        Top = Ground.FreeTop,
        Rows = Side - Top,
        Period = Ground.Period,
        Windows = 2 * Side / Period - 1,
        Half = 8, // frames on either side that decide the direction and the biome of a frame
        Least = 16, // frames of a walk in one direction that counts
        LeastBiome = 32; // frames of a stretch that counts
    private static readonly double[] cos =
    [
        .. Enumerable.Range(0, Period).Select(x => Math.Cos(2 * Math.PI * x / Period)),
    ];

    private readonly int[] turns;

    public Walk(JourneyVideo video, Light[] lights)
    {
        (Speeds, Contrasts) = Pattern(video, lights);
        Directions = [.. Speeds.Select((_, f) => Direction(f))];
        turns = FindTurns(Directions);
        Biomes = Smooth([.. Enumerable.Range(0, video.Frames).Select(f => Biome(video, f, lights[video.SecondOf(f)]))]);
    }

    /// <summary>
    /// Pixels that the ground moves from the frame before to each frame, to the left as the traveller walks right;
    /// the first frame has none and takes the second's.
    /// </summary>
    public double[] Speeds { get; }

    /// <summary>Contrast of the pattern of the ground in each frame.</summary>
    public double[] Contrasts { get; }

    /// <summary>1 where he walks to the right, -1 to the left, by the second around a frame.</summary>
    public int[] Directions { get; }

    /// <summary>Biome under his feet in each frame.</summary>
    public int[] Biomes { get; }

    /// <summary>How often he turns round.</summary>
    public int Turns => turns.Length;

    /// <summary>The last frame before he walks back; the middle of the video if he does not turn once.</summary>
    public int Turn => turns.Length == 1 ? turns[0] : Biomes.Length / 2;

    /// <summary>The frame on the way there at the position of a frame; null before the video or without one.</summary>
    public int? Mirror(int frame) => 2 * Turn - frame is var mirror and >= 0 && frame > Turn ? mirror : null;

    /// <summary>The biomes in the 1/4 s before and after a frame.</summary>
    public ReadOnlySpan<int> Near(int frame) =>
        Biomes.AsSpan(Math.Max(0, frame - 4)..Math.Min(Biomes.Length, frame + 5));

    /// <summary>Position of a frame if he walks as he should: from 0, a pixel a frame, and back.</summary>
    public int Position(int frame) => frame > Turn ? 2 * Turn - frame : frame;

    /// <summary>Biomes on the way there, in order; what is shorter than two seconds does not count.</summary>
    public int[] Road() =>
        [.. Runs(Biomes.AsSpan(0, Math.Min(Turn + 1, Biomes.Length)).ToArray(), LeastBiome).Select(run => run.Value)];

    /// <summary>Mean distance of the speed from a pixel a frame in the direction of the walk.</summary>
    public double SpeedError(int from, int to) =>
        Enumerable.Range(from, to - from).Average(f => Math.Abs(Speeds[f] * Directions[f] - 1));

    // In windows of one period each row's Fourier term turns as the ground moves, and rows vote with their power. The
    // median of the windows decides: one in which two biomes meet may say anything.
    private static (double[] Speeds, double[] Contrasts) Pattern(JourneyVideo video, Light[] lights)
    {
        var (speeds, contrasts) = (new double[video.Frames], new double[video.Frames]);
        var (before, now) = (new (double Re, double Im)[Windows * Rows], new (double Re, double Im)[Windows * Rows]);
        var (turned, power) = (new double[Windows], new double[Windows]);
        for (var f = 0; f < video.Frames; f++)
        {
            Fourier(video.Frame(f), lights[video.SecondOf(f)].Tint, now);
            for (var w = 0; w < Windows; w++)
            {
                var (re, im) = (0.0, 0.0);
                power[w] = 0;
                for (var i = w * Rows; i < (w + 1) * Rows; i++)
                {
                    power[w] += now[i].Re * now[i].Re + now[i].Im * now[i].Im;
                    re += before[i].Re * now[i].Re + before[i].Im * now[i].Im;
                    im += before[i].Re * now[i].Im - before[i].Im * now[i].Re;
                }
                turned[w] = Math.Atan2(im, re);
            }
            (speeds[f], contrasts[f]) = (Median(turned) * Period / (2 * Math.PI), Math.Sqrt(Median(power)));
            (before, now) = (now, before);
        }
        speeds[0] = speeds[1];
        return (speeds, contrasts);
    }

    private static void Fourier(ReadOnlySpan<Pixel> frame, Rgb tint, (double Re, double Im)[] terms)
    {
        Rgb weight = (.299 / tint.R, .587 / tint.G, .114 / tint.B);
        Span<double> luma = stackalloc double[Side];
        for (var g = 0; g < Rows; g++)
        {
            for (var x = 0; x < Side; x++)
                luma[x] = weight.Dot(frame[(Top + g) * Side + x]);
            for (var w = 0; w < Windows; w++)
            {
                var (re, im) = (0.0, 0.0);
                for (var x = w * Period / 2; x < w * Period / 2 + Period; x++)
                {
                    re += luma[x] * cos[x % Period];
                    im -= luma[x] * cos[(x + 3 * Period / 4) % Period];
                }
                terms[w * Rows + g] = (re * 2 / Period, im * 2 / Period);
            }
        }
    }

    private static double Median(ReadOnlySpan<double> values)
    {
        Span<double> sorted = stackalloc double[2 * Half + 1];
        sorted = sorted[..values.Length];
        values.CopyTo(sorted);
        sorted.Sort();
        return sorted[values.Length / 2];
    }

    // Of the median speed around a frame; the window is odd, so that a turn is found to the frame.
    private int Direction(int frame)
    {
        var (from, to) = (Math.Max(0, frame - Half), Math.Min(Speeds.Length, frame + Half + 1));
        return Median(Speeds.AsSpan(from, to - from)) < 0 ? -1 : 1;
    }

    // The last frame before each change of direction.
    private static int[] FindTurns(int[] directions) =>
        [.. Runs(directions, Least).Skip(1).Select(run => run.Start - 1)];

    private static IEnumerable<(int Value, int Start)> Runs(int[] values, int least)
    {
        int? last = null;
        for (var (start, end) = (0, 0); start < values.Length; start = end)
        {
            while (end < values.Length && values[end] == values[start])
                end++;
            if (end - start < least || values[start] == last)
                continue;
            last = values[start];
            yield return (values[start], start);
        }
    }

    private static int Biome(JourneyVideo video, int frame, in Light light)
    {
        var seen =
            video.Mean(frame, Scene.Centre - Period / 2, Scene.Centre + Period / 2 - 1, Top, Side - 1) / light.Tint;
        return Enumerable.Range(0, 4).MinBy(b => (seen - Ground.Means[b]).Dot(seen - Ground.Means[b]));
    }

    // The most frequent one around each frame: where two biomes meet, their mean may look like a third.
    private static int[] Smooth(int[] biomes)
    {
        var smooth = new int[biomes.Length];
        Span<int> votes = stackalloc int[4];
        for (var f = 0; f < biomes.Length; f++)
        {
            votes.Clear();
            for (var i = Math.Max(0, f - 2 * Half); i <= Math.Min(biomes.Length - 1, f + 2 * Half); i++)
                votes[biomes[i]]++;
            for (var b = 1; b < 4; b++)
                if (votes[b] > votes[smooth[f]])
                    smooth[f] = b;
        }
        return smooth;
    }
}
