namespace LongTake.Takes;

/// <summary>
/// A window that a model makes at once: latents <paramref name="Start"/> and on, <paramref name="Length"/> of them, of
/// which those from <paramref name="From"/> to before <paramref name="To"/> are kept. All others that there are already
/// are known to it.
/// </summary>
/// <param name="Fade">Latents of the transition at either end of what is made.</param>
internal sealed record TakeWindow(int Start, int Length, int From, int To, int Fade);

/// <summary>
/// How many latents a model sees at once, and how it is led from one window to the next.
/// </summary>
/// <param name="Longest">Latents of a window; 0 for a model that goes on without an end.</param>
/// <param name="Least">Latents of the shortest window that makes sense, what is made too much is dropped.</param>
/// <param name="Second">Latents of about a second.</param>
/// <param name="Block">Latents that are made at a time.</param>
internal sealed record WindowRules(int Longest, int Least, int Second, int Block)
{
    /// <summary>
    /// The windows that make latents from <paramref name="from"/> to before <paramref name="to"/> behind a video. While
    /// there is room the window goes on that its last latents were made in, so that positions mean what they did; then
    /// a new one begins with <paramref name="hold"/> known latents.
    /// </summary>
    /// <param name="origin">The window that the last latent was made in.</param>
    /// <param name="fade">Latents of the transition into a new window.</param>
    public IEnumerable<TakeWindow> Onward(int from, int to, int origin, int hold, int fade)
    {
        if (Longest == 0)
        {
            if (from is > 0 && from < Block)
                throw new UserException(
                    $"{from} latents: a model that makes {Block} at a time goes on from as many at least",
                    usage: true
                );
            var known = from == 0 ? 0 : Math.Max(Block, Math.Min(from, hold) / Block * Block);
            yield return new(from - known, known + to - from, from, to, 0);
            yield break;
        }
        for (var at = from; at < to; )
        {
            var fresh = at > 0 && origin + Longest <= at;
            if (fresh)
                origin = at - Math.Min(hold, at);
            var end = Math.Min(to, origin + Longest);
            var length = fresh ? Math.Max(end - origin, Math.Min(Longest, Least)) : end - origin;
            yield return new(origin, length, at, end, fresh ? fade : 0);
            at = end;
        }
    }

    /// <summary>
    /// The window that makes latents inside a video of <paramref name="total"/> anew; the one they were made in, if
    /// that holds them with something on either side.
    /// </summary>
    /// <exception cref="UserException">They are more than the model makes at once.</exception>
    public TakeWindow Inside(int from, int to, int total, int origin, int fade)
    {
        if (Longest > 0 && total > Longest && to - from > Longest - 2)
            throw new UserException(
                $"latents {from} to {to} are more than this model makes at once ({Longest - 2} between known ones); "
                    + "remake them in parts",
                usage: true
            );
        var start =
            Longest == 0 || total <= Longest ? 0
            : from > origin && Math.Min(total, to + 1) <= origin + Longest ? origin
            : Math.Clamp((from + to - Longest) / 2, 0, total - Longest);
        var length = Longest == 0 ? total : Math.Min(Longest, total - start);
        return new(start, length, from, to, Math.Min(fade, (to - from) / 3));
    }
}
