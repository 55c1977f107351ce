namespace LongTake.Video;

/// <summary>
/// Transitions among consecutive thumbnails. Numbers of frames assume roughly 24 to 30 frames a second.
/// </summary>
static class ShotWindow
{
    // A cut separates: frames up to Near away on both sides are unlike across it, and alike within each side.
    const int Near = 4;
    const double CutScore = 0.25;
    const int Around = 8;

    // When the picture stays and only its colour changes, the light has changed.
    const double Structure = 0.15;

    // A dissolve is a cross-fade in straight lines between two unlike frames; how much of it the mixture may leave
    // unexplained.
    static readonly int[] DissolveLengths = [8, 12, 18, 27, 40];
    const double Unlike = 0.6;
    const double Unexplained = 0.2;
    const double DissolveScore = 0.12;
    const double Straight = 0.15;
    const double LeastChange = 8;

    // Beside a dissolve its two shots go their own slow way: they change by less than this share of it in the same
    // time.
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

    public static List<Transition> Transitions(IReadOnlyList<SmallFrame> video, CancellationToken token = default)
    {
        var cuts = WithoutBlinks(video, Cuts(video, token));
        var fades = Fades(video, cuts);
        var gradual = Best([.. Gradual(video, fades, token)]);
        // A cut is no straight mixture; what looks like one within a mixture is a part of it.
        List<Span> hard =
        [
            .. cuts.Where(c => !fades.Concat(gradual).Any(f => c.From >= f.From - 2 && c.From <= f.To + 2)),
        ];
        return
        [
            .. hard.Concat(fades)
                .Concat(gradual)
                .OrderBy(t => t.From)
                .Select(t => new Transition(
                    t.Kind,
                    video[t.From].Index,
                    video[t.To].Index,
                    video[t.From].Time,
                    video[t.To].Time,
                    t.Score
                )),
        ];
    }

    static List<Span> Cuts(IReadOnlyList<SmallFrame> video, CancellationToken token)
    {
        var cuts = new List<Span>();
        for (var t = 1; t < video.Count; t++)
        {
            if (video[t].Step < CutScore)
                continue;
            var (from, to) = (Math.Max(1, t - Around), Math.Min(video.Count - 1, t + Around));
            var others = Enumerable
                .Range(from, to - from + 1)
                .Where(i => i != t)
                .Select(i => video[i].Step)
                .Order()
                .ToArray();
            if (others.Length > 0 && video[t].Step < 2 * others[others.Length / 2])
                continue;
            if (Enumerable.Range(from, to - from + 1).Any(i => Math.Abs(i - t) < Near && video[i].Step > video[t].Step))
                continue;
            var score = Separation(video, t);
            if (score >= CutScore && SmallFrame.Structure(video[t - 1], video[t]) >= Structure)
                cuts.Add(new(TransitionKind.Cut, t, t, score));
        }
        return cuts;
    }

    // The least distance across t less half the greatest change on either side. A flash or a torn frame leaves a pair
    // that is alike across it; fast motion changes the sides as much as it changes across.
    static double Separation(IReadOnlyList<SmallFrame> video, int t)
    {
        var across = double.MaxValue;
        for (var a = Math.Max(0, t - Near); a < t; a++)
        for (var b = t; b < Math.Min(video.Count, t + Near); b++)
            across = Math.Min(across, SmallFrame.Distance(video[a], video[b]));
        var before = SmallFrame.Distance(video[Math.Max(0, t - Near)], video[t - 1]);
        var after = SmallFrame.Distance(video[t], video[Math.Min(video.Count - 1, t + Near - 1)]);
        return across - 0.5 * Math.Max(before, after);
    }

    // A few frames of one tone within a shot (a dropped picture, a shutter, a strobe) are two cuts to the eye of a
    // detector.
    static List<Span> WithoutBlinks(IReadOnlyList<SmallFrame> video, List<Span> cuts)
    {
        List<Span> kept = [];
        foreach (var cut in cuts)
        {
            if (
                kept.Count > 0
                && kept[^1].From is var before
                && cut.From - before <= Around
                && Enumerable.Range(before, cut.From - before).All(t => video[t].Contrast < Tone)
                && SmallFrame.Distance(video[before - 1], video[cut.From]) < Alike
            )
                kept.RemoveAt(kept.Count - 1);
            else
                kept.Add(cut);
        }
        return kept;
    }

    // Runs of one tone with a picture that grows or shrinks slowly on a side.
    static List<Span> Fades(IReadOnlyList<SmallFrame> video, List<Span> cuts)
    {
        var fades = new List<Span>();
        for (var first = 0; first < video.Count; first++)
        {
            if (video[first].Contrast >= Tone)
                continue;
            var last = first;
            while (last + 1 < video.Count && video[last + 1].Contrast < Tone)
                last++;
            var into = Slope(video, first, -1, cuts);
            var outOf = Slope(video, last, +1, cuts);
            var same =
                into > 0
                && outOf > 0
                && SmallFrame.Distance(video[first - into], video[last + outOf]) < Alike
                && last - first < Around;
            // Two fades with a rest of one tone between them count as two; a dip as one.
            if (!same && last - first > Around * 2)
            {
                if (into > 0)
                    fades.Add(new(TransitionKind.Fade, first - into, first, 1));
                if (outOf > 0)
                    fades.Add(new(TransitionKind.Fade, last, last + outOf, 1));
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

    // Frames from a frame of one tone to a full picture, going one way, as the contrast rises; 0 where a cut comes
    // first, the rise is as quick as a flash, or no picture follows.
    static int Slope(IReadOnlyList<SmallFrame> video, int at, int way, List<Span> cuts)
    {
        var top = video[at].Contrast;
        for (var n = 1; n <= FadeReach && at + way * n is var t && t >= 0 && t < video.Count; n++)
        {
            if (cuts.Any(c => c.From == (way > 0 ? t : t + 1) && c.Score > 2 * CutScore))
                return 0;
            if (video[t].Contrast < 0.85 * top)
                break;
            top = Math.Max(top, video[t].Contrast);
            if (top >= Picture && (Settled(video, t, way) || n == FadeReach))
                return n >= FadeShortest ? n : 0;
        }
        return 0;
    }

    // The contrast has reached what it is a few frames on.
    static bool Settled(IReadOnlyList<SmallFrame> video, int t, int way) =>
        Math.Clamp(t + way * Near, 0, video.Count - 1) is var later && video[later].Contrast < 1.04 * video[t].Contrast;

    static List<Span> Gradual(IReadOnlyList<SmallFrame> video, List<Span> known, CancellationToken token)
    {
        var found = new List<Span>();
        for (var s = 0; s < video.Count; s++)
        {
            token.ThrowIfCancellationRequested();
            foreach (var length in DissolveLengths)
            {
                var e = s + length;
                if (e >= video.Count || known.Any(k => k.To > s && k.From <= e))
                    break;
                if (video[s].Contrast < Picture || video[e].Contrast < Picture)
                    continue;
                var rest = 1 - Mixture(video, s, e) / Unexplained;
                if (
                    rest > 0
                    && SmallFrame.Distance(video[s], video[e]) is var change
                    && change >= Unlike
                    && rest * change >= DissolveScore
                    && Drift(video, s, e) < Calm * change
                )
                    found.Add(new(TransitionKind.Dissolve, s, e, rest * change));
            }
        }
        Wipes.Find(
            video,
            (from, to, score) =>
            {
                if (!known.Any(k => k.To >= from && k.From <= to))
                    found.Add(new(TransitionKind.Wipe, from, to, score));
            },
            token
        );
        return found;
    }

    // The greater change over as many frames before and after.
    static double Drift(IReadOnlyList<SmallFrame> video, int s, int e) =>
        Math.Max(
            SmallFrame.Distance(video[Math.Max(0, s - (e - s))], video[s]),
            SmallFrame.Distance(video[e], video[Math.Min(video.Count - 1, e + (e - s))])
        );

    // The strongest of those that overlap.
    static List<Span> Best(List<Span> found)
    {
        var best = new List<Span>();
        foreach (var t in found.OrderByDescending(t => t.Score))
            if (!best.Any(b => t.From <= b.To + Around && b.From <= t.To + Around))
                best.Add(t);
        return best;
    }

    // How much of the change between two frames a mixture of them, more of the second from frame to frame, leaves
    // unexplained in the frames between, as a share of the whole change; 1 where the weight does not climb in a
    // straight line from 0 to 1.
    static double Mixture(IReadOnlyList<SmallFrame> video, int s, int e)
    {
        var a = video[s].Coarse;
        var b = video[e].Coarse;
        double whole = 1e-9,
            rest = 0;
        for (var i = 0; i < a.Length; i++)
            whole += (b[i] - a[i]) * (b[i] - a[i]);
        if (whole < LeastChange * LeastChange * a.Length)
            return 1;
        for (var t = s + 1; t < e; t++)
        {
            var f = video[t].Coarse;
            double along = 0,
                square = 0;
            for (var i = 0; i < a.Length; i++)
            {
                var d = f[i] - a[i];
                along += d * (b[i] - a[i]);
                square += d * d;
            }
            var w = along / whole;
            if (Math.Abs(w - (double)(t - s) / (e - s)) > Straight)
                return 1;
            rest += Math.Max(0, square / whole - w * w);
        }
        return Math.Sqrt(rest / (e - s - 1));
    }
}
