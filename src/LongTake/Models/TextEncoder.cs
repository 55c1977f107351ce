namespace LongTake.Models;

/// <summary>Prompts to what the video model attends to: tokenizer and umT5 together, or a cache of what they gave.</summary>
public sealed class TextEncoder : IDisposable
{
    private readonly UmT5Encoder? encoder;
    private readonly Tokenizer? tokenizer;
    private readonly SentencePiece? pieces;
    private readonly TextCache? cache;
    private readonly Dictionary<string, float[]>? known;
    private const int MostKnown = 1 << 26;   // numbers

    /// <summary>
    /// An encoder in memory; texts are cut or padded to <paramref name="length"/> tokens. With <paramref name="frozen"/> its weights, float32 on the
    /// CPU, do not change: what a text gave is remembered, and has no gradient.
    /// </summary>
    public TextEncoder(Weights w, UmT5Config config, SentencePiece pieces, int length, bool frozen = false) =>
        (encoder, tokenizer, this.pieces, known) = (new(w, config), new(pieces, length), pieces, frozen ? [] : null);

    /// <summary>An encoder too large to stay in memory: it is opened for texts that the cache does not hold, and closed again.</summary>
    public TextEncoder(TextCache cache) => this.cache = cache;

    /// <summary>[B, length, dim] with zero rows beyond each text.</summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        if (cache is not null) return cache.Encode(texts);
        if (known is null) return Read(texts);
        var (length, dim) = (tokenizer!.Length, encoder!.Width);
        if ((long)(known.Count + texts.Count) * length * dim > MostKnown) known.Clear();
        var all = new float[texts.Count * length * dim];
        for (var i = 0; i < texts.Count; i++)
        {
            if (!known.TryGetValue(texts[i], out var one)) known[texts[i]] = one = Alone(texts[i]);
            one.CopyTo(all, i * one.Length);
        }
        return Tensor.From<float>(all, texts.Count, length, dim);
    }

    private float[] Alone(string text)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        return Read([text]).ToArray<float>();
    }

    private Tensor Read(IReadOnlyList<string> texts)
    {
        var (ids, mask) = tokenizer!.Encode([.. texts]);
        return UmT5Encoder.WithoutPadding(encoder!.Forward(ids, mask), mask);
    }

    /// <summary>Makes ready for texts that will be asked for; without it a large encoder would be opened at each new one.</summary>
    public void Prepare(IEnumerable<string> texts, Action<int, int>? step = null, CancellationToken cancel = default) => cache?.Prepare(texts, step, cancel);

    /// <summary>Closes the tokenizer.</summary>
    public void Dispose() => pieces?.Dispose();
}
