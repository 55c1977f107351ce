using LongTake.Worlds;

namespace LongTake.Data;

/// <summary>How much of the procedural world is rendered; the corpora of the miniature.</summary>
public sealed record WorldDataConfig
{
    /// <summary>Short clips, all captions.</summary>
    public int Clips { get; init; } = 6000;

    /// <summary>Minute-long takes, on the 16 seen pairs of coat and hat.</summary>
    public int Takes { get; init; } = 64;
    public int HeldOutClips { get; init; } = 32;
    public int HeldOutTakes { get; init; } = 4;
    public long Seed { get; init; } = 1;

    /// <summary>What is wrong, if anything.</summary>
    public IEnumerable<string> Problems()
    {
        if (Clips == 0 && Takes == 0)
            yield return "clips and takes: at least one of them is more than 0";
    }
}

/// <summary>The procedural world as training data.</summary>
public static class WorldData
{
    /// <summary>World frames between two frames of the model.</summary>
    public static int Stride(double fps) => (int)(TravellerTake.FramesPerSecond / fps);

    /// <summary>Everything the world can say of itself: the corpus of a tokenizer.</summary>
    public static IEnumerable<string> AllCaptions => Captions.All;

    /// <summary>Take number n of a corpus.</summary>
    public static TravellerTake Take(WorldDataConfig c, int n)
    {
        var rng = new Rng(c.Seed, 1, n);
        var (coat, hat) = Captions.Seen[n % Captions.Seen.Length];
        return TravellerTake.Long(rng, coat, hat);
    }

    /// <summary>Clip number n of a corpus.</summary>
    public static TravellerTake Clip(WorldDataConfig c, int n) => TravellerTake.Clip(new Rng(c.Seed, 2, n));

    /// <summary>
    /// A random stretch of the world, [frames, 32, 32, 3] bytes: half from clips, half from inside takes.
    /// </summary>
    public static byte[] Stretch(Rng rng, int frames, double fps)
    {
        var stride = Stride(fps);
        if (rng.Uniform() < 0.5)
        {
            var clip = TravellerTake.Clip(rng);
            return Traveller.Video(
                clip,
                rng.Int(Math.Max(1, TravellerTake.ClipFrames - (frames - 1) * stride)),
                frames,
                stride
            );
        }
        var take = TravellerTake.Long(rng, rng.Int(Captions.Coats.Length), rng.Int(Captions.Hats.Length));
        return Traveller.Video(take, rng.Int(TravellerTake.LongFrames - (frames - 1) * stride), frames, stride);
    }

    /// <summary>
    /// The items of the corpora in order, with the frames of each. Held-out ones come after the others.
    /// </summary>
    public static IEnumerable<(LatentItem Item, Func<byte[]> Frames)> Items(
        WorldDataConfig c,
        double fps,
        int clipLatents,
        int videoLatents
    )
    {
        var stride = Stride(fps);
        for (var n = 0; n < c.Takes + c.HeldOutTakes; n++)
        {
            var take = Take(c, n);
            var frames = 4 * (videoLatents - 1) + 1;
            yield return (
                new LatentItem($"take-{n:D4}", "take", videoLatents, Captions.Describe(take))
                {
                    Locals =
                    [
                        .. Enumerable
                            .Range(0, videoLatents)
                            .Select(i => Captions.Local(take, Math.Min(TravellerTake.LongFrames - 1, 4 * stride * i))),
                    ],
                    Source = "world",
                    HeldOut = n >= c.Takes,
                },
                () => Traveller.Video(take, 0, frames, stride)
            );
        }
        for (var n = 0; n < c.Clips + c.HeldOutClips; n++)
        {
            var clip = Clip(c, n);
            var frames = 4 * (clipLatents - 1) + 1;
            yield return (
                new LatentItem($"clip-{n:D5}", "clip", clipLatents, Captions.Describe(clip))
                {
                    Locals = [Captions.Local(clip, frames * stride / 2)],
                    Source = "world",
                    HeldOut = n >= c.Clips,
                },
                () => Traveller.Video(clip, 0, frames, stride)
            );
        }
    }
}
