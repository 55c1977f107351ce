using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using LongTake.Checkpoints;
using LongTake.Video;

namespace LongTake.Generation;

/// <summary>Whether a video is there already.</summary>
public sealed partial class VideoGenerator
{
    private const string RequestHash = "request";

    private string? autoencoderHash;

    /// <summary>Whether a video file is there that was made from the same request, model and options.</summary>
    public bool IsMade(ResolvedRequest r, string path, WriteOptions write)
    {
        if (!File.Exists(path) || !File.Exists(LatentFile(path)))
            return false;
        try
        {
            using var latents = SafetensorsSet.Open(LatentFile(path));
            return latents.Metadata.TryGetValue(RequestHash, out var made) && made == HashOf(r, write);
        }
        catch (UserException)
        {
            return false; // damaged: it is made again
        }
    }

    // All that a video depends on: pictures and LoRAs by size and time, weights by hash.
    private string HashOf(ResolvedRequest r, WriteOptions write)
    {
        string[] files = [.. r.Loras.Select(l => Lora.Choice(l).Path), .. r.Image is { } image ? new[] { image } : []];
        string[] all =
        [
            JsonSerializer.Serialize(r, VideoJson.Default.ResolvedRequest),
            Hash,
            autoencoderHash ??= Files.Require(PartKind.Vae).Hash(),
            $"{Dtype} {write.Crf} {write.Upscale}",
            .. files.Select(f => $"{new FileInfo(f).Length} {File.GetLastWriteTimeUtc(f):O}"),
        ];
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', all))))[..32];
    }
}
