namespace LongTake.Worlds;

/// <summary>One way through four biomes in a fixed order, from dawn to night.</summary>
internal sealed class TravellerWorld : World
{
    public override int Side => Worlds.Traveller.Side;

    public override IEnumerable<string> Captions => Worlds.Captions.All;

    public override WorldVideo Take(Rng rng, int n, double? gap)
    {
        RequireNoGap(gap);
        var (coat, hat) = Worlds.Captions.Seen[n % Worlds.Captions.Seen.Length];
        return Video(TravellerTake.Long(rng, coat, hat));
    }

    public override WorldVideo AnyTake(Rng rng, double? gap)
    {
        RequireNoGap(gap);
        return Video(
            TravellerTake.Long(rng, rng.Int(Worlds.Captions.Coats.Length), rng.Int(Worlds.Captions.Hats.Length))
        );
    }

    public override WorldVideo Clip(Rng rng) => Video(TravellerTake.Clip(rng));

    // The lighthouse colours of the two sets never coincide.
    public override WorldVideo Wanted(Rng rng, bool final, int n)
    {
        var (coat, hat) = (n % 24 / 4, n % 4);
        return Video(
            TravellerTake.Long(rng, coat, hat) with
            {
                LighthouseColour = (coat + hat + (final ? 1 + n / 24 % 2 : 0)) % 3,
            }
        );
    }

    public override WorldVideo Like(Rng rng, string prompt)
    {
        _ = Worlds.Captions.TryParse(prompt, out var coat, out var hat, out var lighthouse);
        var take = TravellerTake.Long(rng, coat ?? 0, hat ?? 0);
        return Video(lighthouse is { } colour ? take with { LighthouseColour = colour } : take);
    }

    private static void RequireNoGap(double? gap)
    {
        if (gap is not null)
            throw new UserException(
                $"world.gap {gap}: takes of 32x32 are as good as clips; leave it out, or train a model of 64x64",
                usage: true
            );
    }

    private WorldVideo Video(TravellerTake take) =>
        new(
            this,
            Worlds.Captions.Describe(take),
            frame => Worlds.Captions.Local(take, Math.Min(take.Frames - 1, frame)),
            (frame, rgb) => Worlds.Traveller.Render(take, frame, rgb)
        );
}
