namespace LongTake.Video;

/// <summary>
/// How one shot gives way to the next. A fade goes to, from or through a picture of one tone (black, white).
/// </summary>
public enum TransitionKind
{
    Cut,
    Dissolve,
    Fade,
    Wipe,
}

/// <summary>
/// One transition. For a cut, <paramref name="Frame"/> = <paramref name="EndFrame"/> is the first frame of the new
/// shot; otherwise they are the first and last frame in which both shots, or a shot and one tone, are mixed. <paramref
/// name="Start"/> and <paramref name="End"/> are the seconds of these frames from the first. <paramref name="Score"/>
/// compares only within a kind.
/// </summary>
public sealed record Transition(TransitionKind Kind, int Frame, int EndFrame, double Start, double End, double Score)
{
    /// <summary>The frame in the middle.</summary>
    public int Middle => (Frame + EndFrame) / 2;
}

/// <summary>
/// What lies between two transitions: frames <paramref name="Frame"/> to <paramref name="EndFrame"/>, both included.
/// </summary>
public sealed record Shot(int Frame, int EndFrame, double Start, double End);
