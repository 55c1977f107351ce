namespace LongTake.Data;

/// <summary>Items to draw batches from: latents of several sizes do not stack, so a batch has one size.</summary>
public sealed class SizeBuckets(IReadOnlyList<LatentItem> items)
{
    private readonly Dictionary<string, IReadOnlyList<LatentItem>> buckets = items
        .GroupBy(i => i.Size)
        .ToDictionary(g => g.Key, IReadOnlyList<LatentItem> (g) => [.. g]);

    /// <summary>
    /// Draws for one batch: the first of all items, each as likely as any other; the rest, alike, of those that have
    /// its size. So over many batches every item comes as often as any other, whatever its size.
    /// </summary>
    public Func<Rng, LatentItem> Batch()
    {
        var from = items;
        return random =>
        {
            var item = from[random.Int(from.Count)];
            from = buckets[item.Size];
            return item;
        };
    }
}
