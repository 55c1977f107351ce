using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Keys and values [B, L, heads, d] of a text in one block, and those of an image: each is attended to on its own, the
/// sum goes on. One text serves all samples of a batch.
/// </summary>
public sealed class TextKeys(Tensor k, Tensor v, Tensor? imageK = null, Tensor? imageV = null)
{
    public Tensor Attend(Tensor q) => imageK is null ? Full(q, k, v) : Full(q, k, v) + Full(q, imageK, imageV!);

    private static Tensor Full(Tensor q, Tensor k, Tensor v) => Attention.Full(q, ForAll(q, k), ForAll(q, v));

    private static Tensor ForAll(Tensor q, Tensor x) =>
        x.size(0) == q.size(0) ? x
        : x.size(0) == 1 ? x.expand(q.size(0), x.size(1), x.size(2), x.size(3)).contiguous()
        : throw new UserException(
            $"{x.size(0)} texts for {q.size(0)} samples: give one for each, or one for all",
            usage: true
        );
}

/// <summary>A prompt as Wan's blocks read it at every step.</summary>
internal sealed class WanPrompt(Tensor text, Tensor? picture, IEnumerable<IBlock> blocks) : EncodedPrompt
{
    public Tensor Text { get; } = text;

    public IReadOnlyDictionary<WanBlock, TextKeys> Keys { get; } =
        blocks.Cast<WanBlock>().ToDictionary(b => b, b => b.Keys(text, picture));
}
