namespace LongTake.Video;

/// <summary>Finds where shots change, frame after frame, from a bounded window of thumbnails.</summary>
public interface IShotDetector
{
    /// <summary>Takes the next frame; the transitions that became certain with it, in order.</summary>
    IReadOnlyList<Transition> Add(SmallFrame frame);

    /// <summary>The transitions that are left at the end of the video.</summary>
    IReadOnlyList<Transition> Finish();

    /// <summary>Every transition before this frame has been given.</summary>
    int Settled { get; }
}

/// <summary>
/// The default detector: hard cuts, dissolves, fades and wipes; flashes, flicker, freezes, shakes, exposure ramps and
/// fast motion are none. It looks at windows of <see cref="Core"/> frames with <see cref="Margin"/> more on both sides,
/// and keeps of each window what lies in its core, so memory does not depend on the length of the video. Faster videos
/// are looked at at about 25 frames a second.
/// </summary>
public sealed class ShotDetector(double fps, CancellationToken token = default) : IShotDetector
{
    /// <summary>Frames a window decides about, and frames it sees besides on either side.</summary>
    internal const int Core = 512,
        Margin = 160;

    readonly int stride = Math.Max(1, (int)Math.Round(fps / 25));
    readonly List<SmallFrame> window = [];
    int core; // where in the window its core begins
    int last = -1; // last frame of the last transition given

    public int Settled { get; private set; }

    public IReadOnlyList<Transition> Add(SmallFrame frame)
    {
        if (frame.Index % stride != 0)
            return [];
        if (window.Count > 0)
            frame.Follow(window[^1]);
        window.Add(frame);
        if (window.Count < core + Core + Margin)
            return [];
        var found = Take(core + Core);
        var drop = core + Core - Margin;
        window.RemoveRange(0, drop);
        core = Margin;
        return found;
    }

    public IReadOnlyList<Transition> Finish() => Take(window.Count);

    /// <summary>Transitions of a whole video in order.</summary>
    public static IReadOnlyList<Transition> Detect(
        IEnumerable<SmallFrame> video,
        double fps,
        CancellationToken token = default
    )
    {
        var detector = new ShotDetector(fps, token);
        List<Transition> all = [];
        foreach (var frame in video)
            all.AddRange(detector.Add(frame));
        return [.. all, .. detector.Finish()];
    }

    List<Transition> Take(int end)
    {
        List<Transition> found = [];
        var (from, to) =
            core < window.Count ? (window[core].Index, end < window.Count ? window[end].Index : int.MaxValue) : (0, 0);
        foreach (var t in ShotWindow.Transitions(window, token))
            if (
                t.Middle >= from
                && t.Middle < to
                && (t.Frame > last || t.Kind == TransitionKind.Cut && t.Frame >= last)
            )
            {
                found.Add(t);
                last = t.EndFrame;
            }
        Settled = to;
        return found;
    }
}
