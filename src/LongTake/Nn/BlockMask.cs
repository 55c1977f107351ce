namespace LongTake.Nn;

/// <summary>
/// An attention mask by blocks: consecutive stretches of queries, each with the ranges of keys it sees. Attention is computed
/// stretch by stretch on those ranges alone, so that nothing of the size queries x keys exists.
/// </summary>
public sealed class BlockMask
{
    /// <summary>Number of queries of a stretch, and (first, count) of the keys they see.</summary>
    public IReadOnlyList<(long Queries, (long First, long Count)[] Keys)> Stretches { get; }

    private BlockMask(IReadOnlyList<(long, (long, long)[])> stretches) => Stretches = stretches;

    /// <summary>
    /// Blocks of latent frames, each of which sees itself and all before it, or with a <paramref name="window"/> the last so
    /// many frames up to its end. Reference: Self-Forcing, wan/modules/causal_model.py.
    /// </summary>
    public static BlockMask Causal(IReadOnlyList<int> blocks, long frameTokens, int window = 0)
    {
        if (window > 0 && blocks.Any(b => b > window))
            throw new UserException($"a window of {window} latent frames is shorter than a block of {blocks.Max()}", usage: true);
        return new([.. Spans(blocks).Select(b =>
        {
            var first = window > 0 ? Math.Max(0, b.End - window) : 0;
            return (b.Count * frameTokens, new[] { (first * frameTokens, (b.End - first) * frameTokens) });
        })]);
    }

    /// <summary>
    /// Teacher forcing: the clean film before the noisy one in one sequence. Clean blocks are causal among themselves; a noisy
    /// block sees itself and the clean blocks before it.
    /// </summary>
    public static BlockMask TeacherForcing(IReadOnlyList<int> blocks, long frameTokens)
    {
        var clean = Causal(blocks, frameTokens).Stretches;
        var all = blocks.Sum() * frameTokens;
        return new([.. clean, .. Spans(blocks).Select(b =>
        {
            var (before, own) = ((b.End - b.Count) * frameTokens, b.Count * frameTokens);
            return (own, before == 0 ? new[] { (all, own) } : [(0L, before), (all + before, own)]);
        })]);
    }

    /// <summary>Sizes of the blocks of a film: all <paramref name="size"/> frames long, or the first frame alone and then so.</summary>
    public static int[] Blocks(int frames, int size, bool firstAlone = false)
    {
        var rest = firstAlone ? frames - 1 : frames;
        if (frames < 1 || rest % size != 0)
            throw new UserException($"{frames} latent frames cannot be cut into {(firstAlone ? "one and then " : "")}blocks of {size}; try {frames - rest % size} or {frames - rest % size + size}", usage: true);
        var blocks = Enumerable.Repeat(size, rest / size);
        return firstAlone ? [1, .. blocks] : [.. blocks];
    }

    private static IEnumerable<(long End, long Count)> Spans(IReadOnlyList<int> blocks)
    {
        long end = 0;
        foreach (var count in blocks) yield return (end += count, count);
    }

    /// <summary>q, k, v [B, N, heads, d], already rotated, -> [B, N, heads, d].</summary>
    public Tensor Attend(Tensor q, Tensor k, Tensor v)
    {
        var parts = new Tensor[Stretches.Count];
        long at = 0;
        for (var i = 0; i < parts.Length; i++)
        {
            var (queries, keys) = Stretches[i];
            Tensor Seen(Tensor x)
            {
                var ranges = keys.Select(r => Narrow(x, 1, r.First, r.Count)).ToArray();
                return ranges.Length == 1 ? ranges[0] : Cat(ranges, 1);
            }
            parts[i] = Attention.Full(Narrow(q, 1, at, queries), Seen(k), Seen(v));
            at += queries;
        }
        return Cat(parts, 1);
    }
}
