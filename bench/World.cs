using LongTake.Worlds;

namespace LongTake.Bench;

/// <summary>The procedural world's renderer on one core.</summary>
internal static class World
{
    public static IEnumerable<Row> Rows()
    {
        const int frames = TravellerTake.LongFrames;
        var take = TravellerTake.Long(new Rng(1), 0, 0);
        var s = Turns.Run(15, Turns.Of(() => Traveller.Video(take, 0, frames, 1)));
        yield return Row.Rate("world.renderer", frames, s[0], null, null, null, "frames/s") with
        {
            Limit = 20_000,
            Note = $"one core, a take of {frames} frames, 32x32",
        };
    }
}
