using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Data;

/// <summary>Videos of the procedural world to latents on disk, in one shard.</summary>
public static class WorldEncoder
{
    // Numbers of a video up to which it is encoded in one pass, which is faster and takes memory by its length.
    private const long WholeVideo = 1 << 26;

    /// <summary>
    /// Encodes the items with the model's autoencoder into <paramref name="folder"/>, unless the folder already holds
    /// exactly that (same autoencoder, geometry, source, captions). Returns the set, open. The latents are of the CPU,
    /// wherever they were made.
    /// </summary>
    public static LatentSet Run(
        ModelFolder model,
        string made,
        IReadOnlyList<(LatentItem Item, Func<byte[]> Frames)> items,
        string folder,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel,
        torch.Device? device = null
    )
    {
        var c = model.Config;
        var info = new LatentSetInfo(
            model.Hash(ModelFolder.Vae),
            c.Fps,
            c.Width,
            c.Height,
            made,
            [.. items.Select(i => i.Item)]
        );
        if (LatentSet.Open(folder, info) is { } existing)
            return existing;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var (vae, weights) = model.LoadVae(device: device);
        using var owned = weights;
        var latents = new Dictionary<string, Tensor>();
        for (var at = 0; at < items.Count; )
        {
            cancel.ThrowIfCancellationRequested();
            var first = items[at].Item.Latents;
            var batch = items.Skip(at).TakeWhile(i => i.Item.Latents == first).Take(Math.Max(1, 128 / first)).ToList();
            using var inner = torch.NewDisposeScope();
            var video = torch
                .cat([.. batch.Select(b => Pixels.ToTensor(b.Frames(), c.Height, c.Width))])
                .to(vae.Device);
            var z = vae.Encode(video, video.numel() <= WholeVideo ? 0 : 1).to(ScalarType.BFloat16).cpu();
            for (var b = 0; b < batch.Count; b++)
                latents[batch[b].Item.Name] = z.select(0, b).clone().MoveToOuterDisposeScope();
            at += batch.Count;
            progress?.Report(new ProgressReport(at, items.Count, "videos", "encoding"));
        }
        LatentSet.Write(folder, info, latents);
        return LatentSet.Open(folder);
    }
}
