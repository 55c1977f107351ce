namespace LongTake.Models;

/// <summary>Prompts to what the video model attends to: tokenizer and umT5 together.</summary>
public sealed class TextEncoder(Weights w, UmT5Config config, SentencePiece pieces, int length) : IDisposable
{
    private readonly UmT5Encoder encoder = new(w, config);
    private readonly Tokenizer tokenizer = new(pieces, length);

    /// <summary>[B, length, dim] with zero rows beyond each text.</summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        var (ids, mask) = tokenizer.Encode([.. texts]);
        return UmT5Encoder.WithoutPadding(encoder.Forward(ids, mask), mask);
    }

    /// <summary>Closes the tokenizer.</summary>
    public void Dispose() => pieces.Dispose();
}
