namespace LongTake.Nn;

/// <summary>
/// The masks of block-causal videos: parts of the queries, each with the keys it is held against and an <see
/// cref="AttentionMask"/> over them. One interval of queries a key says all but teacher forcing, which is two parts.
/// </summary>
public sealed class BlockMask
{
    /// <summary>
    /// Numbers of consecutive queries, the keys 0.. they are held against, and which of these they see.
    /// </summary>
    public IReadOnlyList<(long Queries, long Keys, AttentionMask Mask)> Parts { get; }

    private BlockMask(params IReadOnlyList<(long, long, AttentionMask)> parts) => Parts = parts;

    /// <summary>
    /// Blocks of latent frames, each of which sees itself and all before it, or with a <paramref name="window"/> the
    /// last so many frames up to its end. Reference: Self-Forcing, wan/modules/causal_model.py.
    /// </summary>
    public static BlockMask Causal(IReadOnlyList<int> blocks, long frameTokens, int window = 0)
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
        return new(
            (
                frames * frameTokens,
                frames * frameTokens,
                Seen(frameTokens, spans.SelectMany(b => Enumerable.Repeat(b.Start, b.End - b.Start)), until)
            )
        );
    }

    /// <summary>
    /// Teacher forcing: the clean video before the noisy one in one sequence. Clean blocks are causal among themselves;
    /// a noisy block sees itself and the clean blocks before it.
    /// </summary>
    public static BlockMask TeacherForcing(IReadOnlyList<int> blocks, long frameTokens)
    {
        var frames = blocks.Sum();
        var own = Spans(blocks).SelectMany(b => Enumerable.Repeat(b, b.End - b.Start)).ToArray();
        var noisy = Seen(
            frameTokens,
            [.. own.Select(b => b.End), .. own.Select(b => b.Start)],
            [.. own.Select(_ => frames), .. own.Select(b => b.End)]
        );
        return new(Causal(blocks, frameTokens).Parts[0], (frames * frameTokens, 2 * frames * frameTokens, noisy));
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

    /// <summary>q, k, v [B, N, heads, d], already rotated, -> [B, N, heads, d].</summary>
    public Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        long at = 0;
        var parts = Parts
            .Select(p =>
            {
                at += p.Queries;
                return Attention.Full(
                    q.narrow(1, at - p.Queries, p.Queries),
                    k.narrow(1, 0, p.Keys),
                    v.narrow(1, 0, p.Keys),
                    p.Mask
                );
            })
            .ToArray();
        return parts.Length == 1 ? parts[0] : torch.cat(parts, 1);
    }
}
