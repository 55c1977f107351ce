namespace LongTake.Nn;

/// <summary>
/// Which queries see a key: those from <c>From[key]</c> until, without, <c>Until[key]</c>. Two numbers a key hold
/// causal and windowed masks with sinks and samples of different lengths, and no N x M mask is ever made.
/// </summary>
/// <param name="From">[B or 1, M] int32 on the CPU.</param>
/// <param name="Until">[B or 1, M] int32 on the CPU.</param>
public sealed record AttentionMask(Tensor From, Tensor Until)
{
    /// <summary>
    /// Block-causal attention over frames of <paramref name="tokens"/> tokens: a query sees its own block, the
    /// <paramref name="window"/> - 1 before it and the first <paramref name="sinks"/>. The queries are the last of the
    /// keys, as when earlier keys are cached.
    /// </summary>
    /// <exception cref="UserException">A size is not positive, or there are more queries than keys.</exception>
    public static AttentionMask BlockCausal(
        long queries,
        long keys,
        int tokens,
        int window = int.MaxValue,
        int sinks = 0
    )
    {
        if (queries < 1 || keys < queries || tokens < 1 || window < 1 || sinks < 0)
            throw new UserException(
                $"a block-causal mask of {queries} queries, {keys} keys, blocks of {tokens} tokens, a window "
                    + $"of {window} and {sinks} sinks: "
                    + "give at least as many keys as queries, positive sizes and no negative sinks"
            );
        var (from, until) = (new int[keys], new int[keys]);
        for (long key = 0; key < keys; key++)
        {
            var (block, first) = (key / tokens, keys - queries);
            from[key] = (int)Math.Max(0, block * tokens - first);
            until[key] =
                block < sinks ? int.MaxValue : (int)Math.Clamp((block + window) * tokens - first, 0, int.MaxValue);
        }
        return new(Tensor.From<int>(from, 1, keys), Tensor.From<int>(until, 1, keys));
    }

    /// <summary>
    /// Every query of sample b sees the first <paramref name="lengths"/>[b] of <paramref name="keys"/> keys.
    /// </summary>
    /// <exception cref="UserException">A length is negative or more than the keys.</exception>
    public static AttentionMask Lengths(ReadOnlySpan<long> lengths, long keys)
    {
        var until = new int[lengths.Length * keys];
        for (var b = 0; b < lengths.Length; b++)
        {
            if (lengths[b] < 0 || lengths[b] > keys)
                throw new UserException($"sample {b} is {lengths[b]} keys long; give 0 to {keys}");
            until.AsSpan((int)(b * keys), (int)lengths[b]).Fill(int.MaxValue);
        }
        return new(
            torch.zeros([lengths.Length, keys], ScalarType.Int32),
            Tensor.From<int>(until, lengths.Length, keys)
        );
    }

    internal void Check(Tensor q, Tensor k)
    {
        if (From.size(1) != k.size(1) || (From.size(0) != 1 && From.size(0) != q.size(0)))
            throw new UserException(
                $"the attention mask is for {From.size(0)} samples of {From.size(1)} keys, the keys are "
                    + $"{k.size(0)} samples of {k.size(1)}: make it for these"
            );
    }

    /// <summary>True where a key is hidden from queries first to first + count - 1: [B or 1, 1, count, M].</summary>
    internal Tensor Hidden(long first, long count)
    {
        var query = torch.arange(first, first + count, dtype: ScalarType.Int32).reshape(1, 1, count, 1);
        var (from, until) = (From.unsqueeze(1).unsqueeze(1), Until.unsqueeze(1).unsqueeze(1));
        return (query.ge(from) * query.lt(until)).eq(0);
    }
}
