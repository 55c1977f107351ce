using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

/// <summary>
/// Self-attention other than all to all: queries, keys (both not yet rotated) and values, each [B, N, heads, d], to [B,
/// N, heads, d].
/// </summary>
public delegate Tensor SelfAttention(Tensor q, Tensor k, Tensor v);

/// <summary>
/// Keys and values [B, L, heads, d] of a text in one block, and those of an image: each is attended to on its own, the
/// sum goes on.
/// </summary>
public sealed class TextKeys(Tensor k, Tensor v, Tensor? imageK = null, Tensor? imageV = null)
{
    public Tensor Attend(Tensor q) =>
        imageK is null ? Attention.Full(q, k, v) : Attention.Full(q, k, v) + Attention.Full(q, imageK, imageV!);
}

/// <summary>
/// A prompt as a transformer reads it at every step: embedded, with the keys and values of every block, made once.
/// </summary>
public sealed class WanPrompt
{
    internal WanPrompt(Tensor text, Tensor? picture, IEnumerable<WanBlock> blocks) =>
        (Text, Keys) = (text, blocks.ToDictionary(b => b, b => b.Keys(text, picture)));

    internal Tensor Text { get; }
    internal IReadOnlyDictionary<WanBlock, TextKeys> Keys { get; }
}
