using LongTake.Models.Miniature;
using LongTake.Models.Text;
namespace LongTake.Models.Wan;

/// <summary>Batches whose samples differ in size.</summary>
public static class WanBatch
{
    /// <summary>
    /// x_i [C, T, H, W], timesteps [B] or [B, T], texts [L, textDim] of any length up to the model's, to velocities [C,
    /// T, H, W]. Samples of one size share a forward. The reference pads to the longest sequence instead; its padding
    /// is never a key and is cut off at the end, so the values are the same.
    /// </summary>
    public static Tensor[] Forward(
        this WanTransformer wan,
        IReadOnlyList<Tensor> x,
        Tensor timesteps,
        IReadOnlyList<Tensor> texts,
        IReadOnlyList<WanImage>? images = null
    )
    {
        if (texts.Count != x.Count || timesteps.size(0) != x.Count || (images?.Count ?? x.Count) != x.Count)
            throw new UserException(
                $"{x.Count} samples with {timesteps.size(0)} timesteps, {texts.Count} "
                    + $"texts{(images is null ? "" : $" and {images.Count} images")}: give one of each a sample"
            );
        var velocities = new Tensor[x.Count];
        foreach (var group in Enumerable.Range(0, x.Count).GroupBy(i => string.Join('x', x[i].shape)))
        {
            int[] at = [.. group];
            var length = at.Max(i => texts[i].size(0));
            Tensor Together(Func<int, Tensor> sample) => torch.stack([.. at.Select(sample)]);
            var together = wan.Forward(
                Together(i => x[i]),
                Together(i => timesteps[i]),
                Together(i => torch.nn.functional.pad(texts[i], [0, 0, 0, length - texts[i].size(0)])),
                images is null ? null : new WanImage(Together(i => images[i].Clip), Together(i => images[i].Latents))
            );
            for (var k = 0; k < at.Length; k++)
                velocities[at[k]] = together[k];
        }
        return velocities;
    }
}
