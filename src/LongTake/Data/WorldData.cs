using LongTake.Models;
using LongTake.Worlds;

namespace LongTake.Data;

/// <summary>How much of the procedural world is rendered; the corpora of the miniature.</summary>
public sealed record WorldDataConfig
{
    /// <summary>Short clips, all captions.</summary>
    public int Clips { get; init; } = 6000;

    /// <summary>Minute-long takes, on the pairs of coat and hat that the world shows in takes.</summary>
    public int Takes { get; init; } = 64;
    public int HeldOutClips { get; init; } = 32;
    public int HeldOutTakes { get; init; } = 4;
    public long Seed { get; init; } = 1;

    /// <summary>
    /// How much worse takes are than clips, from 0 to 1: softer, paler, coded, narrower. Of the world of 64x64; null
    /// for its own, .7.
    /// </summary>
    public double? Gap { get; init; }

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (Clips == 0 && Takes == 0)
            yield return "clips and takes: at least one of them is more than 0";
        if (Gap is < 0 or > 1)
            yield return $"gap {Gap}: from 0 to 1";
    }
}

/// <summary>A procedural world as training data: the one whose pictures have the model's size.</summary>
public static class WorldData
{
    /// <summary>Everything the world can say of itself: the corpus of a tokenizer.</summary>
    public static IEnumerable<string> Captions(ModelConfig model) => World.Of(model.Width, model.Height).Captions;

    /// <summary>
    /// A random stretch of the world, [frames, side, side, 3] bytes: half from clips, half from inside takes.
    /// </summary>
    public static byte[] Stretch(ModelConfig model, WorldDataConfig c, Rng rng, int frames)
    {
        var (world, stride) = (World.Of(model.Width, model.Height), World.Stride(model.Fps));
        var clip = rng.Uniform() < 0.5;
        var video = clip ? world.Clip(rng) : world.AnyTake(rng, c.Gap);
        var spare = (clip ? World.ClipFrames : World.LongFrames) - (frames - 1) * stride;
        return video.Frames(rng.Int(Math.Max(1, spare)), frames, stride);
    }

    /// <summary>
    /// The items of the corpora in order, with the frames of each. Held-out ones come after the others.
    /// </summary>
    public static IEnumerable<(LatentItem Item, Func<byte[]> Frames)> Items(ModelConfig model, WorldDataConfig c)
    {
        var (world, stride) = (World.Of(model.Width, model.Height), World.Stride(model.Fps));
        var (clipLatents, videoLatents) = (model.ClipLatents, model.VideoLatents);
        for (var n = 0; n < c.Takes + c.HeldOutTakes; n++)
        {
            var take = world.Take(new Rng(c.Seed, 1, n), n, c.Gap);
            var frames = 4 * (videoLatents - 1) + 1;
            yield return (
                new LatentItem($"take-{n:D4}", "take", videoLatents, take.Caption)
                {
                    Locals = Locals(Enumerable.Range(0, videoLatents).Select(i => take.Local(4 * stride * i))),
                    Source = "world",
                    HeldOut = n >= c.Takes,
                },
                () => take.Frames(0, frames, stride)
            );
        }
        for (var n = 0; n < c.Clips + c.HeldOutClips; n++)
        {
            var clip = world.Clip(new Rng(c.Seed, 2, n));
            var frames = 4 * (clipLatents - 1) + 1;
            yield return (
                new LatentItem($"clip-{n:D5}", "clip", clipLatents, clip.Caption)
                {
                    Locals = Locals([clip.Local(frames * stride / 2)]),
                    Source = "world",
                    HeldOut = n >= c.Clips,
                },
                () => clip.Frames(0, frames, stride)
            );
        }
    }

    // A world without captions of moments has none, instead of many empty ones.
    private static string[] Locals(IEnumerable<string> captions)
    {
        string[] all = [.. captions];
        return all.All(l => l.Length == 0) ? [] : all;
    }
}
