namespace LongTake.Nn;

/// <summary>The mask of block-causal videos: one interval of queries a key.</summary>
public static class BlockMask
{
    /// <summary>
    /// Blocks of latent frames, each of which sees itself and all before it, or with a <paramref name="window"/> the
    /// last so many frames up to its end. Reference: Self-Forcing, wan/modules/causal_model.py.
    /// </summary>
    public static AttentionMask Causal(IReadOnlyList<int> blocks, long frameTokens, int window = 0)
    {
        if (window > 0 && blocks.Any(b => b > window))
            throw new UserException(
                $"a window of {window} latent frames is shorter than a block of {blocks.Max()}",
                usage: true
            );
        var frames = blocks.Sum();
        var spans = Spans(blocks).ToArray();
        // A frame is seen from the start of its own block to the last block that ends at most a window after it.
        var until = Enumerable
            .Range(0, frames)
            .Select(f => window == 0 ? frames : spans.Where(b => b.End - window <= f).Max(b => b.End));
        return Seen(frameTokens, spans.SelectMany(b => Enumerable.Repeat(b.Start, b.End - b.Start)), until);
    }

    // From and until by frame of keys, in frames of queries, spread over the tokens of a frame.
    private static AttentionMask Seen(long frameTokens, IEnumerable<int> from, IEnumerable<int> until)
    {
        Tensor Tokens(IEnumerable<int> frames)
        {
            int[] all = [.. frames.SelectMany(f => Enumerable.Repeat((int)(f * frameTokens), (int)frameTokens))];
            return Tensor.From<int>(all, 1, all.Length);
        }
        return new(Tokens(from), Tokens(until));
    }

    /// <summary>
    /// Sizes of the blocks of a video: all <paramref name="size"/> frames long, or the first frame alone and then so.
    /// </summary>
    public static int[] Blocks(int frames, int size, bool firstAlone = false)
    {
        var rest = firstAlone ? frames - 1 : frames;
        if (frames < 1 || rest % size != 0)
            throw new UserException(
                $"{frames} latent frames cannot be cut into {(firstAlone ? "one and then " : "")}blocks of "
                    + $"{size}; try {frames - rest % size} or {frames - rest % size + size}",
                usage: true
            );
        var blocks = Enumerable.Repeat(size, rest / size);
        return firstAlone ? [1, .. blocks] : [.. blocks];
    }

    private static IEnumerable<(int Start, int End)> Spans(IReadOnlyList<int> blocks)
    {
        var end = 0;
        foreach (var count in blocks)
            yield return (end, end += count);
    }
}
