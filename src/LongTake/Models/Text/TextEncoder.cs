using LongTake.Models.Wan;

namespace LongTake.Models.Text;

/// <summary>
/// Prompts to what the video model attends to: tokenizer and umT5 together, or a cache of what they gave.
/// </summary>
public sealed class TextEncoder
{
    private readonly UmT5Encoder? encoder;
    private readonly Tokenizer? tokenizer;
    private readonly TextCache? cache;
    private readonly torch.Device device;

    /// <summary>An encoder in memory; texts are cut or padded to <paramref name="length"/> tokens.</summary>
    public TextEncoder(Weights w, UmT5Config config, Vocabulary vocabulary, int length) =>
        (encoder, tokenizer, device) = (new(w, config), new(vocabulary, length), w.Device);

    /// <summary>
    /// An encoder too large to stay in memory: it is opened for texts that the cache does not hold, and closed again.
    /// Features come to <paramref name="device"/>.
    /// </summary>
    public TextEncoder(TextCache cache, torch.Device? device = null) =>
        (this.cache, this.device) = (cache, device ?? torch.CPU);

    /// <summary>[B, length, dim] with zero rows beyond each text, on the encoder's device.</summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        if (cache is not null)
            return cache.Encode(texts).to(device);
        var (ids, mask) = tokenizer!.Encode([.. texts]);
        (ids, mask) = (ids.to(device), mask.to(device));
        return UmT5Encoder.WithoutPadding(encoder!.Forward(ids, mask), mask);
    }

    /// <summary>
    /// Makes ready for texts that will be asked for; without it a large encoder would be opened at each new one.
    /// </summary>
    public void Prepare(IEnumerable<string> texts, Action<int, int>? step = null, CancellationToken cancel = default) =>
        cache?.Prepare(texts, step, cancel);
}
