using System.Security.Cryptography;
using System.Text;

namespace LongTake.Models;

/// <summary>
/// Text features on disk, each text encoded once: one file a text, named by the SHA-256 of <paramref name="encoder"/> (what tells
/// encoders apart: the hash of its file, the element type) and of the cleaned text. The encoder, 5.7 billion parameters for Wan, is opened
/// only when a text is missing and closed right after.
/// </summary>
public sealed class TextCache(string folder, string encoder, Func<(TextEncoder Text, IDisposable Weights)> open)
{
    /// <summary>[B, length, dim] with zero rows beyond each text, as <see cref="TextEncoder.Encode"/> gives it.</summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        string[] missing = [.. texts.DistinctBy(Place).Where(t => !File.Exists(Place(t)))];
        if (missing.Length > 0)
        {
            var (text, weights) = open();
            using (weights)
            using (text)
                foreach (var one in missing)
                {
                    using var inner = new Scope();
                    TensorFiles.Write(Place(one), [new("text", text.Encode([one])[0])]);
                }
        }
        return scope.Keep(Stack([.. texts.Select(t =>
        {
            using var file = SafetensorsSet.Open(Place(t));
            return file.Tensor("text");
        })]));
    }

    private string Place(string text)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{encoder}\0{TextCleaning.Clean(text)}"));
        return Path.Combine(folder, Convert.ToHexStringLower(hash) + ".safetensors");
    }
}
