namespace LongTake.Worlds.Journey;

/// <summary>There and back: four biomes in any order, then all of it again in reverse.</summary>
internal sealed class JourneyWorld : World
{
    public override int Side => Scene.Side;

    public override IEnumerable<string> Captions => JourneyCaptions.All;

    public override WorldVideo Take(Rng rng, int n, double? gap)
    {
        var worse = gap ?? JourneyTake.DefaultGap;
        var pairs = JourneyCaptions.Pairs(worse);
        var (coat, hat) = pairs[n % pairs.Length];
        return Video(JourneyTake.Long(rng, coat, hat, worse));
    }

    public override WorldVideo AnyTake(Rng rng, double? gap) =>
        Video(
            JourneyTake.Long(
                rng,
                rng.Int(JourneyCaptions.Coats.Length),
                rng.Int(JourneyCaptions.Hats.Length),
                gap ?? JourneyTake.DefaultGap
            )
        );

    public override WorldVideo Clip(Rng rng) => Video(JourneyTake.Clip(rng));

    // Every second caption of a coat and hat names the road: which one of them is another in the two sets.
    public override WorldVideo Wanted(Rng rng, bool final, int n) =>
        Video(
            JourneyTake.Long(rng, n % 24 / 4, n % 4, gap: 0) with
            {
                RoadNamed = (n % 24 / 4 + n % 4 + n / 24 + (final ? 1 : 0)) % 2 == 0,
            }
        );

    public override WorldVideo Like(Rng rng, string prompt)
    {
        _ = JourneyCaptions.TryParse(prompt, out var coat, out var hat, out var road);
        var take = JourneyTake.Long(rng, coat ?? 0, hat ?? 0, gap: 0);
        if (road is not null)
            take = take with { Biomes = [.. road, .. take.Biomes.Except(road)], RoadNamed = road.Length == 4 };
        return Video(take);
    }

    private WorldVideo Video(JourneyTake take) =>
        new(this, JourneyCaptions.Describe(take), _ => "", (frame, rgb) => Scene.Render(take, frame, rgb));
}
