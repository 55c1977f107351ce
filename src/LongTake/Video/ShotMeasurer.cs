namespace LongTake.Video;

/// <summary>
/// Measures shots in one pass. A frame waits until it is certain to which shot it belongs, so memory is bounded by the
/// window of the detector.
/// </summary>
sealed class ShotMeasurer(VideoInfo info)
{
    readonly Queue<(SmallFrame Frame, Rectangle? Picture)> waiting = new();
    readonly Queue<Transition> ahead = new();
    readonly List<ShotMeasures> shots = [];
    ShotSums? sums;

    public void Add(SmallFrame frame, Rectangle? picture) => waiting.Enqueue((frame, picture));

    /// <summary>Takes transitions found and the frame before which there are no others.</summary>
    public void Settle(IReadOnlyList<Transition> found, int settled)
    {
        foreach (var t in found)
            ahead.Enqueue(t);
        while (waiting.Count > 0 && waiting.Peek().Frame.Index < settled)
        {
            var (frame, picture) = waiting.Dequeue();
            while (
                ahead.TryPeek(out var t)
                && frame.Index >= t.Frame
                && (t.Kind == TransitionKind.Cut || frame.Index > t.EndFrame)
            )
            {
                Close();
                ahead.Dequeue();
            }
            if (ahead.TryPeek(out var within) && frame.Index >= within.Frame)
                Close(); // part of neither shot
            else
                (sums ??= new ShotSums(info, frame)).Add(frame, picture);
        }
    }

    public IReadOnlyList<ShotMeasures> Finish()
    {
        Close();
        return shots;
    }

    void Close()
    {
        if (sums is not null)
            shots.Add(sums.Result());
        sums = null;
    }
}
