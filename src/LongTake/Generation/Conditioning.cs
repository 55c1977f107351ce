using System.Security.Cryptography;
using LongTake.Checkpoints;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Generation;

/// <summary>
/// What a network is given beside the noise: a text [1, L, textDim] for each scene, the negative text, and of
/// image-to-video models the picture; <paramref name="Next"/> makes the picture of a window that begins with a frame
/// [1, 3, H, W].
/// </summary>
internal sealed record Conditioning(
    IReadOnlyList<Tensor> Texts,
    Tensor Negative,
    ImageCondition? First,
    Func<Tensor, ImageCondition>? Next
);

/// <summary>
/// The features of prompts. A small text encoder stays in memory; one of <see cref="TextCache.Large"/> parameters is
/// opened only for texts that the cache on disk does not hold, and closed right after.
/// </summary>
internal sealed class Prompts : IDisposable
{
    // Text encoders are told apart by their small tensors: norms and positions differ wherever training went on.
    private const long SmallTensor = 1 << 20;

    private readonly torch.Device device;
    private readonly TextCache? cache;
    private readonly (TextEncoder Text, IDisposable Weights)? small;

    public Prompts(ModelFiles files, ScalarType wanted, torch.Device device)
    {
        this.device = device;
        var part = files.Require(PartKind.TextEncoder);
        var tokens = files.Tokenizer!; // asked for when the request was resolved
        var large = part.Count >= TextCache.Large;
        var dtype = large ? wanted : ScalarType.Float32;
        var c = files.Config;
        if (!large)
            small = Open();
        else
            cache = new(
                TextCache.Folder,
                $"{part.Hash(SmallTensor)} {Convert.ToHexStringLower(SHA256.HashData(tokens))} "
                    + $"{c.Model.TextLength} {dtype}",
                Open
            );

        (TextEncoder, IDisposable) Open()
        {
            // An encoder that the device could not hold is read on the CPU.
            var streams = large && Offloading.Streams(Offload.Auto, part.Count * Tensor.SizeOf(dtype), device);
            var weights = Weights.Load(part.Source(), dtype, streams ? torch.CPU : device);
            try
            {
                return (new TextEncoder(weights, c.Text, Vocabulary.Read(tokens), c.Model.TextLength), weights);
            }
            catch
            {
                weights.Dispose();
                throw;
            }
        }
    }

    /// <summary>
    /// [1, L, textDim] of one text by itself, so that a video does not depend on what else is asked for.
    /// </summary>
    public Tensor Encode(string text)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        return (cache?.Encode([text]) ?? small!.Value.Text.Encode([text])).to(device).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes texts ahead, while a large encoder still has the memory to itself.</summary>
    public void Prepare(IEnumerable<string> texts) => cache?.Prepare(texts);

    public void Dispose() => small?.Weights.Dispose();
}
