using LongTake.Diffusion;

namespace LongTake.Methods;

/// <summary>
/// Settings of MixSFT: a batch holds stretches of different lengths, and only those of the clip's length may have a
/// caption that also names place and hour.
/// </summary>
public sealed record MixSftConfig : FlowMatchingConfig
{
    public MixSftConfig() => Batch = 4;

    /// <summary>
    /// Lengths in latents; empty takes the clip's length, that doubled and doubled again, and the longest video's.
    /// </summary>
    public int[] Lengths { get; init; } = [];
}

/// <summary>
/// MixSFT: joint flow matching on stretches of several lengths, as public long-video models are tuned. A length is
/// drawn in proportion to 1 / length, so that every length brings the same number of tokens; then a take at least so
/// long (or, of the clip's length, a clip as likely as a take, by their numbers); then where the stretch starts,
/// uniformly. A stretch that starts inside a take gets its first latent re-made as an image latent. No length is
/// weighted in the loss.
/// </summary>
public static class MixSft
{
    public static MethodEntry Entry { get; } =
        MethodEntry.Of<MixSftConfig>("MixSft", Build, Problems) with
        {
            Takes = true,
        };

    private static IEnumerable<string> Problems(MixSftConfig c)
    {
        if (c.Batch < 1)
            yield return $"batch {c.Batch}: at least 1";
        if (c.Lengths.Any(l => l < 2))
            yield return $"lengths [{string.Join(", ", c.Lengths)}]: each at least 2 latents";
    }

    /// <summary>
    /// The lengths that are drawn from, ascending, and the probability of each, in proportion to 1 / length.
    /// </summary>
    public static (int[] Lengths, double[] Shares) Shares(MixSftConfig c, int clip, int video)
    {
        int[] lengths =
            c.Lengths.Length > 0
                ? [.. c.Lengths.Distinct().Order()]
                : [.. new[] { clip, 3 * clip - 2, 6 * clip - 5, video }.Where(l => l <= video).Distinct()];
        var sum = lengths.Sum(l => 1.0 / l);
        return (lengths, [.. lengths.Select(l => 1.0 / l / sum)]);
    }

    private static Method Build(Stage stage, MixSftConfig c)
    {
        var (data, model) = (stage.Takes, stage.Config);
        var takes = data.Takes;
        var (lengths, shares) = Shares(c, model.ClipLatents, takes.Max(t => t.Latents));
        if (lengths[^1] > takes.Max(t => t.Latents))
            throw new UserException(
                $"{data.Folder}: its longest take has {takes.Max(t => t.Latents)} latents; mixSft.lengths "
                    + $"asks for {lengths[^1]}"
            );
        var (vae, vaeWeights) = stage.Model.LoadVae(device: stage.Device);
        var method = FlowMatching.Tune("mix-sft", stage, c.Batch, c.FlowLevels, (random, log) =>
        {
            var (at, u) = (0, random.Uniform());
            while (at + 1 < lengths.Length && (u -= shares[at]) >= 0)
                at++;
            var length = lengths[at];
            foreach (var one in lengths)
                log[$"length {one}"] = log.GetValueOrDefault($"length {one}") + (one == length ? 1.0 / c.Batch : 0);
            Data.LatentItem[] items =
            [
                .. (length == model.ClipLatents ? data.Clips : []).Concat(takes).Where(t => t.Latents >= length),
            ];
            var item = items[random.Int(items.Length)];
            var start = random.Int(item.Latents - length + 1);
            var (drop, local) = (
                random.Uniform() < c.CaptionDrop,
                random.Uniform() < c.LocalCaptions && length == model.ClipLatents
            );
            var x0 = data.Latents(item).to(stage.Device);
            return (
                Windows.Crop(x0, start, length, start == 0 ? null : vae.ImageLatent(x0, start)),
                drop ? "" : FlowMatching.Caption(item, local ? start + length / 2.0 : null)
            );
        });
        return method.AlsoFree(vaeWeights);
    }
}
