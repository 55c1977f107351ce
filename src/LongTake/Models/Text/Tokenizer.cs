namespace LongTake.Models.Text;

/// <summary>
/// Prompts to rows of ids as Wan feeds its text encoder: cleaned, cut to length - 1 pieces, one end piece (1), zeros up
/// to the length.
/// </summary>
public sealed class Tokenizer(Vocabulary vocabulary, int length = 512, bool clean = true)
{
    private const int Eos = 1; // padding is 0

    /// <summary>Number of ids in a row.</summary>
    public int Length => length;

    /// <summary>Ids and mask (1 on pieces and the end piece) of one text, both of the full length.</summary>
    public (long[] Ids, long[] Mask) Row(string text)
    {
        var pieces = vocabulary.Encode(clean ? TextCleaning.Clean(text) : text);
        var real = Math.Min(pieces.Length, length - 1);
        var (ids, mask) = (new long[length], new long[length]);
        for (var i = 0; i < real; i++)
            ids[i] = pieces[i];
        ids[real] = Eos;
        mask.AsSpan(0, real + 1).Fill(1);
        return (ids, mask);
    }

    /// <summary>Ids and mask of several texts: [B, Length], int64.</summary>
    public (Tensor Ids, Tensor Mask) Encode(params ReadOnlySpan<string> texts)
    {
        var (ids, mask) = (new List<long>(), new List<long>());
        foreach (var text in texts)
        {
            var row = Row(text);
            ids.AddRange(row.Ids);
            mask.AddRange(row.Mask);
        }
        long[] shape = [texts.Length, length];
        return (torch.tensor(ids.ToArray(), shape), torch.tensor(mask.ToArray(), shape));
    }
}
