using LongTake.Data;
using LongTake.Models;

namespace LongTake.Generation;

/// <summary>Given pictures as latents.</summary>
public sealed partial class VideoGenerator
{
    /// <summary>
    /// The last frame [1, 3, 1, H, W] of a latent inside a video, and that frame as the first latent of a video: what a
    /// window that begins there begins with.
    /// </summary>
    public (Tensor Frame, Tensor Latent) FirstOfWindow(Tensor latents, int index, int tile)
    {
        turn.Wait();
        try
        {
            using var scope = torch.NewDisposeScope();
            using var off = torch.no_grad();
            var (h, w) = (latents.size(3), latents.size(4));
            var frame = RollOut.LastFrame(networks.Vae, latents.to(device), index, h, w, tile);
            using var encoder = new VaeTiles(networks.Vae, h, w, tile);
            var latent = encoder.EncodeStep(frame);
            return (frame.cpu().MoveToOuterDisposeScope(), latent.cpu().MoveToOuterDisposeScope());
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>The latents [1, C, T, h, w] of frames, RGB bytes of the model's size each.</summary>
    public Tensor Encode(IEnumerable<byte[]> frames, ModelConfig c, int tile, CancellationToken cancel = default)
    {
        turn.Wait(cancel);
        try
        {
            using var scope = torch.NewDisposeScope();
            using var off = torch.no_grad();
            var (stride, side) = (c.Geometry.TemporalStride, c.Geometry.SpatialStride);
            using var tiles = new VaeTiles(networks.Vae, c.Height / side, c.Width / side, tile);
            var parts = new List<Tensor>();
            var held = new List<byte>();
            foreach (var frame in frames)
            {
                cancel.ThrowIfCancellationRequested();
                held.AddRange(frame);
                if (held.Count < (parts.Count == 0 ? 1 : stride) * frame.Length)
                    continue;
                var pixels = Pixels.ToTensor(held.ToArray(), c.Height, c.Width).to(device);
                parts.Add(tiles.EncodeStep(pixels).cpu());
                held.Clear();
            }
            return torch.cat([.. parts], 2).MoveToOuterDisposeScope();
        }
        finally
        {
            turn.Release();
        }
    }
}
