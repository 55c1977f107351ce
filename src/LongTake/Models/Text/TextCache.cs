using System.Security.Cryptography;
using System.Text;

namespace LongTake.Models.Text;

/// <summary>
/// Text features on disk, each text encoded once: one file a text, named by the SHA-256 of <paramref name="encoder"/>
/// (what tells encoders apart: the hash of its file, the element type) and of the cleaned text. The encoder, 5.7
/// billion parameters for Wan, is opened only when a text is missing and closed right after.
/// </summary>
public sealed class TextCache(string folder, string encoder, Func<(TextEncoder Text, IDisposable Weights)> open)
{
    // Texts that no file could take are kept in memory, up to here.
    private const long MostKept = 1L << 30;
    private readonly TensorStore kept = new();
    private readonly HashSet<string> whole = []; // files that this process has hashed

    /// <summary>Text encoders of at least so many parameters are not kept in memory beside a video model.</summary>
    public const long Large = 250_000_000;

    /// <summary>
    /// Where encoded texts are kept: LONGTAKE_CACHE, else longtake in XDG_CACHE_HOME, else in ~/.cache.
    /// </summary>
    public static string Folder
    {
        get
        {
            string? Named(string variable) =>
                Environment.GetEnvironmentVariable(variable) is { Length: > 0 } value ? value : null;
            return Path.Combine(
                Named("LONGTAKE_CACHE")
                    ?? Path.Combine(
                        Named("XDG_CACHE_HOME") ?? Path.Combine(Named("HOME") ?? Path.GetTempPath(), ".cache"),
                        "longtake"
                    ),
                "text"
            );
        }
    }

    /// <summary>
    /// [B, length, dim] with zero rows beyond each text, as <see cref="TextEncoder.Encode"/> gives it.
    /// </summary>
    public Tensor Encode(IReadOnlyList<string> texts)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        Prepare(texts);
        return torch
            .stack([
                .. texts.Select(t =>
                {
                    if (kept[Place(t)] is { } inMemory)
                        return inMemory;
                    using var file = SafetensorsSet.Open(Place(t));
                    return file.Tensor("text");
                }),
            ])
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Encodes those of the texts that no whole file holds, the encoder opened once for all of them. Where the folder
    /// cannot be written a gibibyte of them is kept in memory.
    /// </summary>
    public void Prepare(IEnumerable<string> texts, Action<int, int>? step = null, CancellationToken cancel = default)
    {
        string[] missing = [.. texts.DistinctBy(Place).Where(t => kept[Place(t)] is null && !Holds(Place(t)))];
        if (missing.Length == 0)
            return;
        using var off = torch.no_grad();
        var (text, weights) = open();
        using (weights)
            for (var i = 0; i < missing.Length; i++)
            {
                cancel.ThrowIfCancellationRequested();
                using var inner = torch.NewDisposeScope();
                var (place, encoded) = (Place(missing[i]), text.Encode([missing[i]])[0]);
                try
                {
                    SealedTensors.Write(place, [new("text", encoded)], encoded.dtype);
                }
                catch (UserException) when (kept.Bytes < MostKept)
                {
                    kept[place] = encoded.cpu().clone();
                }
                step?.Invoke(i + 1, missing.Length);
            }
    }

    private bool Holds(string place)
    {
        if (!File.Exists(place))
            return false;
        if (whole.Contains(place))
            return true;
        try
        {
            SealedTensors.Open(place).Dispose();
            return whole.Add(place);
        }
        catch (UserException)
        {
            return false;
        }
    }

    private string Place(string text)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{encoder}\0{TextCleaning.Clean(text)}"));
        return Path.Combine(folder, Convert.ToHexStringLower(hash) + ".safetensors");
    }
}
