namespace LongTake.Media;

/// <summary>Transitions among consecutive thumbnails. Numbers of frames assume roughly 24 to 30 frames a second.</summary>
static class ShotWindow
{
    // A cut separates: frames up to Near away on both sides are unlike across it, and alike within each side.
    const int Near = 4;
    const double CutScore = 0.25;
    const int Around = 8;

    // A dissolve is a cross-fade in straight lines between two unlike frames; how much of it the mixture may leave unexplained.
    static readonly int[] DissolveLengths = [8, 12, 18, 27, 40];
    const double Unlike = 0.6;
    const double Unexplained = 0.2;
    const double Stride = 0.35;

    // Beside a dissolve its two shots go their own slow way: they change by less than this share of it in the same time.
    const double Calm = 0.75;

    // A frame of one tone: this little contrast. A picture: at least this much.
    const double Tone = 6;
    const double Picture = 15;

    // Closer than this, the pictures on both sides of a short run of one tone are one shot: it was a flash.
    const double Alike = 0.4;
    const int FadeReach = 72;
    const int FadeShortest = 6;

    // Positions in the window, both included.
    readonly record struct Span(TransitionKind Kind, int From, int To, double Score);

    public static List<Transition> Transitions(IReadOnlyList<SmallFrame> film, CancellationToken token = default)
    {
        var cuts = Cuts(film, token);
        var fades = Fades(film, cuts);
        List<Span> hard = [.. cuts.Where(c => !fades.Any(f => c.From >= f.From - 2 && c.From <= f.To + 2))];
        var dissolves = Dissolves(film, [.. hard, .. fades], token);
        return [.. hard.Concat(fades).Concat(dissolves).OrderBy(t => t.From).Select(t =>
            new Transition(t.Kind, film[t.From].Index, film[t.To].Index, film[t.From].Time, film[t.To].Time, t.Score))];
    }

    static List<Span> Cuts(IReadOnlyList<SmallFrame> film, CancellationToken token)
    {
        var cuts = new List<Span>();
        var steps = new double[film.Count];
        for (var t = 1; t < film.Count; t++)
        {
            token.ThrowIfCancellationRequested();
            steps[t] = SmallFrame.Distance(film[t - 1], film[t]);
        }
        for (var t = 1; t < film.Count; t++)
        {
            if (steps[t] < CutScore) continue;
            var (from, to) = (Math.Max(1, t - Around), Math.Min(film.Count - 1, t + Around));
            var others = Enumerable.Range(from, to - from + 1).Where(i => i != t).Select(i => steps[i]).Order().ToArray();
            if (others.Length > 0 && steps[t] < 2 * others[others.Length / 2]) continue;
            if (Enumerable.Range(from, to - from + 1).Any(i => Math.Abs(i - t) < Near && steps[i] > steps[t])) continue;
            var score = Separation(film, t);
            if (score >= CutScore) cuts.Add(new(TransitionKind.Cut, t, t, score));
        }
        return cuts;
    }

    // The least distance across t less half the greatest change on either side. A flash or a torn frame leaves a pair that is
    // alike across it; fast motion changes the sides as much as it changes across.
    static double Separation(IReadOnlyList<SmallFrame> film, int t)
    {
        var across = double.MaxValue;
        for (var a = Math.Max(0, t - Near); a < t; a++)
            for (var b = t; b < Math.Min(film.Count, t + Near); b++)
                across = Math.Min(across, SmallFrame.Distance(film[a], film[b]));
        var before = SmallFrame.Distance(film[Math.Max(0, t - Near)], film[t - 1]);
        var after = SmallFrame.Distance(film[t], film[Math.Min(film.Count - 1, t + Near - 1)]);
        return across - 0.5 * Math.Max(before, after);
    }

    // Runs of one tone with a picture that grows or shrinks slowly on a side.
    static List<Span> Fades(IReadOnlyList<SmallFrame> film, List<Span> cuts)
    {
        var fades = new List<Span>();
        for (var first = 0; first < film.Count; first++)
        {
            if (film[first].Contrast >= Tone) continue;
            var last = first;
            while (last + 1 < film.Count && film[last + 1].Contrast < Tone) last++;
            var into = Slope(film, first, -1, cuts);
            var outOf = Slope(film, last, +1, cuts);
            var same = into > 0 && outOf > 0 && SmallFrame.Distance(film[first - into], film[last + outOf]) < Alike && last - first < Around;
            // Two fades with a rest of one tone between them count as two; a dip as one.
            if (!same && last - first > Around * 2)
            {
                if (into > 0) fades.Add(new(TransitionKind.Fade, first - into, first, 1));
                if (outOf > 0) fades.Add(new(TransitionKind.Fade, last, last + outOf, 1));
            }
            else if (!same && into + outOf > 0)
            {
                // A side that does not fade is not part of it: there may be a cut.
                var (start, end) = (into > 0 ? first - into : last, outOf > 0 ? last + outOf : first);
                fades.Add(new(TransitionKind.Fade, Math.Min(start, end), Math.Max(start, end), 1));
            }
            first = last;
        }
        return fades;
    }

    // Frames from a frame of one tone to a full picture, going one way, as the contrast rises; 0 where a cut comes first, the
    // rise is as quick as a flash, or no picture follows.
    static int Slope(IReadOnlyList<SmallFrame> film, int at, int way, List<Span> cuts)
    {
        var top = film[at].Contrast;
        for (var n = 1; n <= FadeReach && at + way * n is var t && t >= 0 && t < film.Count; n++)
        {
            if (cuts.Any(c => c.From == (way > 0 ? t : t + 1) && c.Score > 2 * CutScore)) return 0;
            if (film[t].Contrast < 0.85 * top) break;
            top = Math.Max(top, film[t].Contrast);
            if (top >= Picture && (n >= FadeShortest || Settled(film, t, way)))
                return n >= FadeShortest ? n : 0;
        }
        return 0;
    }

    // The contrast has reached what it is a few frames on.
    static bool Settled(IReadOnlyList<SmallFrame> film, int t, int way) =>
        Math.Clamp(t + way * Near, 0, film.Count - 1) is var later && film[later].Contrast < 1.2 * film[t].Contrast;

    static List<Span> Dissolves(IReadOnlyList<SmallFrame> film, List<Span> known, CancellationToken token)
    {
        var found = new List<Span>();
        for (var s = 0; s < film.Count; s++)
        {
            token.ThrowIfCancellationRequested();
            foreach (var length in DissolveLengths)
            {
                var e = s + length;
                if (e >= film.Count || known.Any(k => k.To > s && k.From <= e)) break;
                if (film[s].Contrast < Picture || film[e].Contrast < Picture) continue;
                var rest = 1 - Mixture(film, s, e) / Unexplained;
                if (rest > 0 && SmallFrame.Distance(film[s], film[e]) is var change && change >= Unlike && Drift(film, s, e) < Calm * change)
                    found.Add(new(TransitionKind.Dissolve, s, e, rest * change));
            }
        }
        return Best(found);
    }

    // The greater change over as many frames before and after.
    static double Drift(IReadOnlyList<SmallFrame> film, int s, int e) => Math.Max(
        SmallFrame.Distance(film[Math.Max(0, s - (e - s))], film[s]), SmallFrame.Distance(film[e], film[Math.Min(film.Count - 1, e + (e - s))]));

    // The strongest of those that overlap.
    static List<Span> Best(List<Span> found)
    {
        var best = new List<Span>();
        foreach (var t in found.OrderByDescending(t => t.Score))
            if (!best.Any(b => t.From <= b.To + Around && b.From <= t.To + Around))
                best.Add(t);
        return best;
    }

    // How much of the change between two frames a straight mixture of them leaves unexplained in the worst frame between, as
    // a share of the whole change; 1 where the weight does not climb evenly from 0 to 1, as at a cut.
    static double Mixture(IReadOnlyList<SmallFrame> film, int s, int e)
    {
        var a = film[s].Luma;
        var b = film[e].Luma;
        double whole = 1e-9, worst = 0, weight = 0;
        for (var i = 0; i < a.Length; i++) whole += (b[i] - a[i]) * (b[i] - a[i]);
        for (var t = s + 1; t < e; t++)
        {
            var f = film[t].Luma;
            double along = 0, square = 0;
            for (var i = 0; i < a.Length; i++)
            {
                var d = f[i] - a[i];
                along += d * (b[i] - a[i]);
                square += d * d;
            }
            var w = along / whole;
            if (w - weight is < -0.05 or > Stride) return 1;
            weight = w;
            worst = Math.Max(worst, square / whole - w * w);
            if (worst > Unexplained * Unexplained) return 1;
        }
        return 1 - weight > Stride ? 1 : Math.Sqrt(Math.Max(0, worst));
    }
}
