namespace LongTake.Nn;

/// <summary>
/// Which queries see a key: those from <c>From[key]</c> until, without, <c>Until[key]</c>. Two numbers a key hold
/// causal and windowed masks, and no N x M mask is ever made.
/// </summary>
/// <param name="From">[B or 1, M] int32 on the CPU.</param>
/// <param name="Until">[B or 1, M] int32 on the CPU.</param>
public sealed record AttentionMask(Tensor From, Tensor Until)
{
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
