using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Exact measures of a decoded video of the Traveller world against the world's rules.</summary>
public static class WorldMetrics
{
    private const int WindowSeconds = 5;
    private static readonly (int First, int Last)[] Visits = [(7, 18), (43, 54)];

    // Both units are means over single frames, so every fourth frame of a few takes does for all strides.
    private static readonly Lazy<WorldReal> Rendered = new(() =>
        Real(
            Enumerable
                .Range(0, 12)
                .Select(i =>
                    Traveller.Video(
                        TravellerTake.Long(new Rng(61, i), i % 6, i % 4),
                        0,
                        TravellerTake.LongFrames / 4,
                        4
                    )
                ),
            4
        )
    );

    /// <summary>Measures one video.</summary>
    /// <param name="rgb">Bytes [frames, 32, 32, 3], one frame every <paramref name="stride"/> world frames.</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="real">Units of gamp and sharp; rendered takes if not given.</param>
    public static WorldScore Measure(byte[] rgb, int stride, WorldTruth truth, WorldReal? real = null)
    {
        var video = Open(rgb, stride);
        real ??= Rendered.Value;
        var days = Sky.Read(video);
        var (coats, hats, marks) = (Walker.Coats(video, days), Walker.Hats(video, days), Places.Landmarks(video, days));
        var (feet, legs) = Walker.Feet(video);
        var (scroll, pattern) = Places.Pattern(video, days);
        var visits = Visits.Select(v => Visit(marks, v)).ToArray();
        return new()
        {
            arc = Sky.Arc(days),
            mono = Sky.Mono(days),
            biome = Places.Biome(video, days),
            lm_rec = visits.Average(v => v is null ? 0 : 1),
            lm_fa = marks
                .Where((_, s) => !Visits.Any(v => s >= v.First && s <= v.Last))
                .Select(m => m < 0 ? 0.0 : 1)
                .DefaultIfEmpty()
                .Average(),
            lm_same = visits is [int a, int b] ? (a == b ? 1 : 0) : null,
            lm_acc = truth.Landmark is int lm
                ? visits.Where(v => v is not null).Average(v => v == lm ? 1.0 : (double?)0)
                : null,
            coat_acc = truth.Coat is int coat ? coats.Average(c => Walker.NearestCoat(c) == coat ? 1 : 0) : null,
            hat_acc = truth.Hat is int hat ? hats.Average(h => h == hat ? 1 : 0) : null,
            coat_drift = Walker.Drift(coats),
            neck_drift = Walker.Drift(Walker.Necks(video, days)),
            gaitL = Windows(feet, video.Rate, Walker.Explained),
            gaitG = Walker.Explained(feet.AsSpan(0, video.Second(video.Seconds).Start), video.Rate),
            gaitF = Windows(feet, video.Rate, Walker.FrequencyError),
            legs = legs,
            scroll = scroll,
            gamp = pattern / real.Pattern,
            sharp = Gradient(video, days) / real.Gradient,
            flick = Sky.Flicker(video),
        };
    }

    /// <summary>Units of gamp and sharp from videos that count as real: takes through an autoencoder, say.</summary>
    public static WorldReal Real(IEnumerable<byte[]> videos, int stride)
    {
        var each = videos
            .Select(rgb => Open(rgb, stride))
            .Select(video => (Video: video, Days: Sky.Read(video)))
            .Select(f => (Places.Pattern(f.Video, f.Days).Amplitude, Gradient: Gradient(f.Video, f.Days)))
            .ToArray();
        return new(each.Average(f => f.Amplitude), each.Average(f => f.Gradient));
    }

    internal static MeasuredVideo Open(byte[] rgb, int stride)
    {
        if (stride < 1 || TravellerTake.FramesPerSecond % stride != 0)
            throw new ArgumentException($"stride {stride}: allowed are 1, 2, 4, 8 and 16, which divide a second");
        if (rgb.Length % Traveller.FrameBytes != 0)
            throw new ArgumentException($"{rgb.Length} bytes are not whole frames of {Traveller.FrameBytes}");
        var video = new MeasuredVideo(rgb, stride);
        return video.Seconds > 0 ? video : throw new ArgumentException($"{video.Frames} frames are less than a second");
    }

    /// <summary>Colour of the lighthouse in most seconds of a visit, or null where none is seen.</summary>
    private static int? Visit(int[] marks, (int First, int Last) v) =>
        marks.Where((m, s) => m >= 0 && s >= v.First && s <= v.Last).GroupBy(m => m).MaxBy(g => g.Count())?.Key;

    private static double Windows(double[] feet, double rate, Func<ReadOnlySpan<double>, double, double> measure)
    {
        var window = Math.Min((int)(WindowSeconds * rate), feet.Length);
        return Enumerable.Range(0, feet.Length / window).Average(i => measure(feet.AsSpan(i * window, window), rate));
    }

    /// <summary>Mean squared step of the luma to the right and down, in the light of noon.</summary>
    internal static double Gradient(MeasuredVideo video, Day[] days)
    {
        const int Side = Traveller.Side;
        var (sum, luma) = (0.0, new double[Side * Side]);
        for (var f = 0; f < video.Frames; f++)
        {
            var pixels = video.Frame(f);
            var tint = days[Math.Min((int)(f / video.Rate), days.Length - 1)].Tint;
            Rgb weight = (.299 / tint.R, .587 / tint.G, .114 / tint.B);
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
        return sum / video.Frames / luma.Length;
    }
}
