using LongTake.Worlds;
using LongTake.Worlds.Journey;

namespace LongTake.Bench;

/// <summary>The renderers of the procedural worlds on one core.</summary>
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
        var journey = JourneyTake.Long(new Rng(1), 0, 0, 0);
        s = Turns.Run(15, Turns.Of(() => Scene.Video(journey)), Turns.Of(() => Scene.Video(journey with { Gap = .7 })));
        yield return Row.Rate("world.journey", journey.Frames, s[0], null, null, null, "frames/s") with
        {
            Limit = 5_000,
            Note = $"one core, a take of {journey.Frames} frames, 64x64",
        };
        yield return Row.Rate("world.journey.gap", journey.Frames, s[1], null, null, null, "frames/s") with
        {
            Note = "the same with a gap of .7",
        };
    }
}
