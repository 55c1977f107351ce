using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>Exact measures of a decoded film of the Traveller world against the world's laws.</summary>
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

    /// <summary>Measures one film.</summary>
    /// <param name="rgb">Bytes [frames, 32, 32, 3], one frame every <paramref name="stride"/> world frames.</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="real">Units of gamp and sharp; rendered takes if not given.</param>
    public static WorldScore Measure(byte[] rgb, int stride, WorldTruth truth, WorldReal? real = null)
    {
        var film = Open(rgb, stride);
        real ??= Rendered.Value;
        var days = Sky.Read(film);
        var (coats, hats, marks) = (Walker.Coats(film, days), Walker.Hats(film, days), Places.Landmarks(film, days));
        var (feet, legs) = Walker.Feet(film);
        var (scroll, pattern) = Places.Pattern(film, days);
        var visits = Visits.Select(v => Visit(marks, v)).ToArray();
        return new()
        {
            arc = Sky.Arc(days),
            mono = Sky.Mono(days),
            biome = Places.Biome(film, days),
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
            neck_drift = Walker.Drift(Walker.Necks(film, days)),
            gaitL = Windows(feet, film.Rate, Walker.Explained),
            gaitG = Walker.Explained(feet.AsSpan(0, film.Second(film.Seconds).Start), film.Rate),
            gaitF = Windows(feet, film.Rate, Walker.FrequencyError),
            legs = legs,
            scroll = scroll,
            gamp = pattern / real.Pattern,
            sharp = Gradient(film, days) / real.Gradient,
            flick = Sky.Flicker(film),
        };
    }

    /// <summary>Units of gamp and sharp from films that count as real: takes through an autoencoder, say.</summary>
    public static WorldReal Real(IEnumerable<byte[]> films, int stride)
    {
        var each = films
            .Select(rgb => Open(rgb, stride))
            .Select(film => (Film: film, Days: Sky.Read(film)))
            .Select(f => (Places.Pattern(f.Film, f.Days).Amplitude, Gradient: Gradient(f.Film, f.Days)))
            .ToArray();
        return new(each.Average(f => f.Amplitude), each.Average(f => f.Gradient));
    }

    internal static Film Open(byte[] rgb, int stride)
    {
        if (stride < 1 || TravellerTake.FramesPerSecond % stride != 0)
            throw new ArgumentException($"stride {stride}: allowed are 1, 2, 4, 8 and 16, which divide a second");
        if (rgb.Length % Traveller.FrameBytes != 0)
            throw new ArgumentException($"{rgb.Length} bytes are not whole frames of {Traveller.FrameBytes}");
        var film = new Film(rgb, stride);
        return film.Seconds > 0 ? film : throw new ArgumentException($"{film.Frames} frames are less than a second");
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
    internal static double Gradient(Film film, Day[] days)
    {
        const int Side = Traveller.Side;
        var (sum, luma) = (0.0, new double[Side * Side]);
        for (var f = 0; f < film.Frames; f++)
        {
            var pixels = film.Frame(f);
            var tint = days[Math.Min((int)(f / film.Rate), days.Length - 1)].Tint;
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
        return sum / film.Frames / luma.Length;
    }
}
