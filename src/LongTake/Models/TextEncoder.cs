namespace LongTake.Models;

/// <summary>Prompts to what the video model attends to: tokenizer and umT5 together, or a cache of what they gave.</summary>
public sealed class TextEncoder : IDisposable
{
    private readonly UmT5Encoder? encoder;
    private readonly Tokenizer? tokenizer;
    private readonly SentencePiece? pieces;
    private readonly TextCache? cache;

    /// <summary>An encoder in memory; texts are cut or padded to <paramref name="length"/> tokens.</summary>
    public TextEncoder(Weights w, UmT5Config config, SentencePiece pieces, int length) =>
        (encoder, tokenizer, this.pieces) = (new(w, config), new(pieces, length), pieces);

    /// <summary>An encoder too large to stay in memory: it is opened for texts that the cache does not hold, and closed again.</summary>
    public TextEncoder(TextCache cache) => this.cache = cache;

    /// <summary>[B, length, dim] with zero rows beyond each text.</summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        if (cache is not null) return cache.Encode(texts);
        var (ids, mask) = tokenizer!.Encode([.. texts]);
        return UmT5Encoder.WithoutPadding(encoder!.Forward(ids, mask), mask);
    }

    /// <summary>Makes ready for texts that will be asked for; without it a large encoder would be opened at each new one.</summary>
    public void Prepare(IEnumerable<string> texts, Action<int, int>? step = null, CancellationToken cancel = default) => cache?.Prepare(texts, step, cancel);

    /// <summary>Closes the tokenizer.</summary>
    public void Dispose() => pieces?.Dispose();
}
