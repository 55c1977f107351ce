using System.Security.Cryptography;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// Files of tensors that notice when a byte of them has changed: "sha256" in their metadata is a hash of all names and
/// bytes. For what is made once and read often.
/// </summary>
public static class SealedTensors
{
    /// <summary>The key of the hash in a file's metadata.</summary>
    public const string Key = "sha256";

    /// <summary>Writes tensors with their hash, whole or not at all.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public static void Write(
        string path,
        IReadOnlyCollection<KeyValuePair<string, Tensor>> tensors,
        ScalarType dtype,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        using var scope = torch.NewDisposeScope();
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            using var one = torch.NewDisposeScope();
            var type = tensor.is_floating_point() ? dtype : tensor.dtype; // as it is written
            var bytes = new byte[tensor.numel() * torch.Tensor.SizeOf(type)];
            tensor.to(type).CopyTo(bytes);
            Append(all, name, bytes);
        }
        TensorFiles.Write(
            path,
            tensors,
            new Dictionary<string, string>(metadata ?? new Dictionary<string, string>())
            {
                [Key] = Convert.ToHexStringLower(all.GetHashAndReset()),
            },
            dtype
        );
    }

    /// <summary>Opens a file and hashes it; one without a hash is taken as it is.</summary>
    /// <exception cref="UserException">It is not there, or not what was written.</exception>
    public static SafetensorsSet Open(string path)
    {
        var file = SafetensorsSet.Open(path);
        if (IsWhole(file) != false)
            return file;
        file.Dispose();
        throw new UserException($"{path}: has changed since it was written; delete it, and it is made again");
    }

    /// <summary>Whether a file is what was written; null when it says no hash.</summary>
    public static bool? IsWhole(SafetensorsSet file)
    {
        if (file.Metadata.GetValueOrDefault(Key) is not { } said)
            return null;
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in file.Names.Order(StringComparer.Ordinal))
            Append(all, name, file.Bytes(name));
        return said == Convert.ToHexStringLower(all.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, string name, ReadOnlySpan<byte> bytes)
    {
        hash.AppendData(Encoding.UTF8.GetBytes($"{name} {bytes.Length}\n"));
        hash.AppendData(bytes);
    }
}
