using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Keys and values [B, L, heads, d] of a text in one block, and those of an image: each is attended to on its own, the
/// sum goes on.
/// </summary>
public sealed class TextKeys(Tensor k, Tensor v, Tensor? imageK = null, Tensor? imageV = null)
{
    public Tensor Attend(Tensor q) =>
        imageK is null ? Attention.Full(q, k, v) : Attention.Full(q, k, v) + Attention.Full(q, imageK, imageV!);
}

/// <summary>A prompt as Wan's blocks read it at every step.</summary>
internal sealed class WanPrompt(Tensor text, Tensor? picture, IEnumerable<IBlock> blocks) : EncodedPrompt
{
    public Tensor Text { get; } = text;

    public IReadOnlyDictionary<WanBlock, TextKeys> Keys { get; } =
        blocks.Cast<WanBlock>().ToDictionary(b => b, b => b.Keys(text, picture));
}
