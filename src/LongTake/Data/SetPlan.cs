using System.Globalization;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Data;

/// <summary>What is trained on: items cut from the stretches that were kept, and which of them are held out.</summary>
internal static class SetPlan
{
    /// <summary>
    /// The set of these decisions. A take is an item, and every stretch is cut into clips of the model's length, so
    /// that a teacher has clips that begin with an image latent. What is held out is so in both forms. Names come from
    /// contents: a set that grows keeps its names, its latents and who is held out.
    /// </summary>
    public static VideoSetInfo Of(
        IReadOnlyList<Decision> decisions,
        DataRecipe recipe,
        Geometry geometry,
        ModelConfig model
    )
    {
        var kept = decisions.Where(d => d.Kept).ToList();
        var held = HeldOut(kept, recipe.HeldOut);
        var only = kept.Count(d => d.Role == "take") == 1;
        return new(
            geometry.Fps,
            recipe.Geometry.Buckets,
            [.. kept.Select(d => d.Footage!)],
            [.. kept.SelectMany(d => Cut(d, held.Contains(d), only && recipe.HeldOut > 0, geometry, model))]
        );
    }

    // By the hash of the video, so that all of a video is on one side and stays there when the set grows.
    private static HashSet<Decision> HeldOut(List<Decision> kept, double share)
    {
        if (share <= 0)
            return [];
        var of = kept.Any(d => d.Role == "take") ? "take" : "clip";
        var videos = kept.Where(d => d.Role == of)
            .GroupBy(d => d.Footage!.Content)
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .ToList();
        if (videos.Count == 1 && videos[0].Count() > 1)
            return
            [
                .. videos[0]
                    .OrderByDescending(d => d.Start)
                    .Take(Math.Max(1, (int)Math.Round(share * videos[0].Count()))),
            ];
        if (videos.Count < 2)
            return [];
        var chosen = videos.Where(g => Fraction(g.Key) < share).ToList();
        if (chosen.Count == 0)
            chosen = [videos[0]];
        if (chosen.Count == videos.Count)
            chosen.RemoveAt(chosen.Count - 1);
        var names = chosen.Select(g => g.Key).ToHashSet();
        return [.. kept.Where(d => names.Contains(d.Footage!.Content))];
    }

    private static double Fraction(string hash) =>
        ulong.Parse(hash.AsSpan(0, 16), NumberStyles.HexNumber) / (double)ulong.MaxValue;

    private static IEnumerable<VideoItem> Cut(Decision d, bool heldOut, bool only, Geometry geometry, ModelConfig model)
    {
        var (video, frames) = (d.Footage!, d.Footage!.Frames);
        var name = $"{d.Role}-{video.Id}";
        if (d.Role != "take")
            return Clips(0, frames, heldOut);
        if (!only)
            return [Item(name, "take", 0, frames, heldOut), .. Clips(0, frames, heldOut)];
        // Of the only take the last third is held out.
        var first = model.Frames((int)model.Geometry.Latents(frames * 2 / 3));
        var rest = model.Frames((int)model.Geometry.Latents(frames - first));
        return
        [
            Item(name, "take", 0, first, false),
            Item(name + "-end", "take", first, rest, true),
            .. Clips(0, first, false),
            .. Clips(first, rest, true),
        ];

        VideoItem Item(string called, string role, int start, int length, bool held) =>
            new(
                new LatentItem(called, role, (int)model.Geometry.Latents(length), d.Caption)
                {
                    Source = d.Path,
                    HeldOut = held,
                    Locals = Locals(start, length),
                    Size = $"{video.Width}x{video.Height}",
                },
                video.Id,
                start,
                length
            );

        IEnumerable<VideoItem> Clips(int start, int length, bool held) =>
            Enumerable
                .Range(0, length / geometry.ClipFrames)
                .Select(i => start + i * geometry.ClipFrames)
                .Select(at => Item($"{name}-at-{at:D4}", "clip", at, geometry.ClipFrames, held));

        // Captions of equal stretches of the video, to those of a part of it.
        IReadOnlyList<string> Locals(int start, int length)
        {
            if (d.Windows.Count == 0)
                return [];
            var (a, b) = (start * d.Windows.Count / frames, ((start + length) * d.Windows.Count + frames - 1) / frames);
            return [.. d.Windows.Skip(a).Take(Math.Max(1, b - a))];
        }
    }
}
