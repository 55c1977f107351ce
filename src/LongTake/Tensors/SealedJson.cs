using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace LongTake.Tensors;

/// <summary>
/// Records as JSON files that notice when a byte of them has changed: the last member, "sha256", is the hash of all
/// that stands before it. A file without that member is read as it is.
/// </summary>
public static class SealedJson
{
    private const string Mark = ",\n  \"sha256\": \"",
        End = "\"\n}\n";

    /// <summary>Writes a record that is a JSON object, whole or not at all.</summary>
    /// <exception cref="UserException">It cannot be written.</exception>
    public static void Write<T>(string path, T value, JsonTypeInfo<T> info)
    {
        var body = Encoding.UTF8.GetString(JsonSerializer.SerializeToUtf8Bytes(value, info))[..^1].TrimEnd();
        AtomicFile.Write(path, file => file.Write(Encoding.UTF8.GetBytes(body + Mark + Hash(body) + End)));
    }

    /// <summary>Reads a record.</summary>
    /// <exception cref="UserException">It cannot be read, or has changed since it was written.</exception>
    public static T Read<T>(string path, JsonTypeInfo<T> info)
    {
        try
        {
            var text = File.ReadAllText(path);
            var at = text.LastIndexOf(Mark, StringComparison.Ordinal);
            if (at >= 0 && text[at..] != Mark + Hash(text[..at]) + End)
                throw new UserException(
                    $"{path}: has changed since it was written. Whoever changed it on purpose takes its last member, "
                        + "\"sha256\", out"
                );
            // without the seal, for records that refuse members they do not know
            return JsonSerializer.Deserialize(at >= 0 ? text[..at] + "\n}" : text, info)
                ?? throw new UserException($"{path}: not readable (it holds null)");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new UserException(
                $"{path}: not readable ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})",
                inner: e
            );
        }
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
