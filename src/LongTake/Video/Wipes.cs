namespace LongTake.Video;

/// <summary>
/// Wipes, slides and the like: between a frame of the old shot and one of the new, every block of the picture is first
/// the old one's and then the new one's, each changes once, and as many in each frame. Mixed or torn blocks are few at
/// any time.
/// </summary>
static class Wipes
{
    static readonly int[] lengths = [9, 13, 18, 25, 35];

    // Frames compared with both ends, evenly spread.
    const int Looks = 6;

    // A block tells the ends apart when it differs by so many grey levels; so many blocks must.
    const double Differs = 12;
    const double Telling = 0.6;

    // What blocks differ from the end that is nearer, against what the ends differ.
    const double Explained = 0.35;

    // How far the share of new blocks may be from a straight line, how many may turn back, and how many must have
    // turned in the end.
    const double Straight = 0.3,
        Back = 0.08,
        Turned = 0.85;

    // What each shot changes by itself in as much time, against what the ends differ.
    const double Calm = 0.6;

    // How unlike both ends are as whole pictures, by SmallFrame.Distance, and so many lengths before and after: what
    // only passes by is no new shot.
    const double Unlike = 0.5;
    const int Away = 2;

    // Neighbouring blocks that are not of the same shot, of all neighbours: the front is a line.
    const double Front = 0.25;

    readonly record struct Ends(float[] Apart, double Whole, int Telling);

    /// <summary>
    /// Calls back with each stretch (first and last mixed frame) that looks like a wipe, and how much so.
    /// </summary>
    public static void Find(IReadOnlyList<SmallFrame> video, Action<int, int, double> found, CancellationToken token)
    {
        // Every few frames, counted from the video's start, so that it does not matter which window is looked at.
        var every = video.Count > 1 ? video[1].Index - video[0].Index : 1;
        for (var s = 0; s < video.Count; s++)
        {
            token.ThrowIfCancellationRequested();
            foreach (var length in lengths)
                if (
                    video[s].Index / every % Math.Max(1, length / 6) == 0
                    && s + length < video.Count
                    && Look(video, s, s + length) is > 0 and var score
                )
                {
                    var (from, to) = Refined(video, s, s + length);
                    found(from, to, score);
                }
        }
    }

    static double Look(IReadOnlyList<SmallFrame> video, int s, int e)
    {
        if (Between(video[s], video[e]) is not { } ends)
            return 0;
        double rest = 0;
        ulong before = 0;
        int back = 0;
        for (var n = 1; n < Looks; n++)
        {
            // From the middle outwards nothing would be saved: most stretches fail at the first look.
            var t = s + (e - s) * n / Looks;
            var (fresh, near) = Nearer(video[s], video[e], video[t], ends);
            var share = (double)System.Numerics.BitOperations.PopCount(fresh) / ends.Telling;
            if (
                near > Explained
                || Ragged(fresh, ends) > Front
                || Math.Abs(share - (double)(t - s) / (e - s)) > Straight
            )
                return 0;
            back += System.Numerics.BitOperations.PopCount(before & ~fresh);
            before = fresh;
            rest = Math.Max(rest, near);
        }
        if (back > Back * ends.Telling * (Looks - 1))
            return 0;
        var away = Away * (e - s);
        var (earlier, later) = (video[Math.Max(0, s - away)], video[Math.Min(video.Count - 1, e + away)]);
        if (SmallFrame.Distance(video[s], video[e]) < Unlike || SmallFrame.Distance(earlier, later) < Unlike)
            return 0;
        return Drift(video, s, e, ends) > Calm ? 0 : (1 - rest) * Math.Min(1, ends.Whole / 40);
    }

    // What differs between two frames; null when they may well be one shot.
    static Ends? Between(SmallFrame a, SmallFrame b)
    {
        // What is alike at its very place is no less so at a better one, and that decides most pairs of frames.
        if (SmallFrame.AlikeInPlace(a, b, Differs) > (1 - Telling) * SmallFrame.Blocks)
            return null;
        var apart = new float[SmallFrame.Blocks];
        SmallFrame.Residuals(a, b, apart);
        double whole = 0;
        var telling = 0;
        foreach (var r in apart)
            if (r >= Differs)
            {
                whole += r;
                telling++;
            }
        return telling < Telling * SmallFrame.Blocks ? null : new(apart, whole / telling, telling);
    }

    // Blocks that are rather the new shot's, and how far all are from the nearer end, as a share.
    static (ulong Fresh, double Near) Nearer(SmallFrame s, SmallFrame e, SmallFrame t, Ends ends)
    {
        Span<float> old = stackalloc float[SmallFrame.Blocks];
        Span<float> now = stackalloc float[SmallFrame.Blocks];
        SmallFrame.Residuals(s, t, old);
        SmallFrame.Residuals(e, t, now);
        ulong fresh = 0;
        double near = 0;
        for (var b = 0; b < SmallFrame.Blocks; b++)
        {
            if (ends.Apart[b] < Differs)
                continue;
            if (now[b] < old[b])
                fresh |= 1UL << b;
            near += Math.Min(old[b], now[b]);
        }
        return (fresh, near / (ends.Whole * ends.Telling));
    }

    // Share of neighbours, among blocks that tell, of which one is the old shot's and one the new one's.
    static double Ragged(ulong fresh, Ends ends)
    {
        int pairs = 0,
            unlike = 0;
        for (var b = 0; b < SmallFrame.Blocks; b++)
            foreach (
                var other in (ReadOnlySpan<int>)
                    [b % SmallFrame.BlocksAcross < SmallFrame.BlocksAcross - 1 ? b + 1 : b, b + SmallFrame.BlocksAcross]
            )
            {
                if (other == b || other >= SmallFrame.Blocks || ends.Apart[b] < Differs || ends.Apart[other] < Differs)
                    continue;
                pairs++;
                unlike += (int)((fresh >> b ^ fresh >> other) & 1);
            }
        return pairs == 0 ? 1 : (double)unlike / pairs;
    }

    static double Drift(IReadOnlyList<SmallFrame> video, int s, int e, Ends ends)
    {
        Span<float> blocks = stackalloc float[SmallFrame.Blocks];
        double most = 0;
        foreach (
            var (a, b) in (ReadOnlySpan<(int, int)>)
                [(Math.Max(0, s - (e - s)), s), (e, Math.Min(video.Count - 1, e + (e - s)))]
        )
        {
            SmallFrame.Residuals(video[a], video[b], blocks);
            double sum = 0;
            for (var i = 0; i < SmallFrame.Blocks; i++)
                if (ends.Apart[i] >= Differs)
                    sum += blocks[i];
            most = Math.Max(most, sum / (ends.Whole * ends.Telling));
        }
        return most;
    }

    // First and last frame with blocks of both.
    static (int From, int To) Refined(IReadOnlyList<SmallFrame> video, int s, int e)
    {
        var ends = Between(video[s], video[e])!.Value;
        var (from, to) = (s + 1, e - 1);
        for (var t = s + 1; t < e; t++)
        {
            var share =
                (double)System.Numerics.BitOperations.PopCount(Nearer(video[s], video[e], video[t], ends).Fresh)
                / ends.Telling;
            if (share < 0.06)
                from = t;
            if (share > 0.94)
            {
                to = t;
                break;
            }
        }
        return (from, Math.Max(from, to));
    }
}
