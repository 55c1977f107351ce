namespace LongTake.Video;

/// <summary>
/// Finds where shots change, frame after frame: hard cuts, dissolves, fades and wipes; flashes, flicker, freezes,
/// shakes, exposure ramps and fast motion are none. It looks at windows of <see cref="Core"/> frames with <see
/// cref="Margin"/> more on both sides, and keeps of each window what lies in its core, so memory does not depend on the
/// length of the video. Faster videos are looked at at about 25 frames a second.
/// </summary>
public sealed class ShotDetector(double fps, CancellationToken token = default)
{
    /// <summary>Frames a window decides about, and frames it sees besides on either side.</summary>
    internal const int Core = 512,
        Margin = 160;

    readonly int stride = Math.Max(1, (int)Math.Round(fps / 25));
    readonly List<SmallFrame> window = [];
    int core; // where in the window its core begins
    int last = -1; // last frame of the last transition given

    /// <summary>Every transition before this frame has been given.</summary>
    public int Settled { get; private set; }

    /// <summary>Takes the next frame; the transitions that became certain with it, in order.</summary>
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

    /// <summary>The transitions that are left at the end of the video.</summary>
    public IReadOnlyList<Transition> Finish() => Take(window.Count);

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
