namespace LongTake.Worlds.Journey;

/// <summary>
/// What stands beside the road, one kind a biome, again and again; it passes at full speed behind the traveller.
/// </summary>
internal static class Roadside
{
    /// <summary>Pixels from one to the next: twice the ground's pattern, and in step with it.</summary>
    private const int Every = 2 * Ground.Period;

    private const int Base = Scene.GroundTop + 2;

    private static readonly Sprite[] Things =
    [
        new(
            """
            ...GGG...
            ..GGHGGG.
            .GHGGPGGG
            GGGPGGGGG
            GPGGGGGPg
            gGGPGGggg
            .ggggggg.
            """
        ),
        new(
            """
            ...g...
            ..gGg..
            ..gGg..
            .gGGgg.
            ..gGg..
            .gGGgg.
            gGGGggg
            .gGGgg.
            gGGGggg
            ...T...
            ...T...
            """
        ),
        new(
            """
            ..D..
            .DDD.
            .KKK.
            .KKK.
            .DDD.
            ..D..
            ..D..
            ..D..
            ..D..
            ..D..
            ..D..
            ..D..
            ..D..
            .DDD.
            """
        ),
        new(
            """
            ....GG...
            ...GGGg..
            ...GGGg.G
            G..GGGg.G
            GG.GGGgGG
            GG.GGGGGg
            GGGGGGgg.
            .gggGGg..
            ...GGGg..
            ...GGGg..
            ...GGGg..
            """
        ),
    ];

    public static void Paint(Span<Pixel> canvas, ReadOnlySpan<Pixel> palette, JourneyTake take, int position)
    {
        var left = Layer.Left(position, 1);
        for (var x = -((left + take.Seed) & (Every - 1)); x < Scene.Side; x += Every)
        {
            var thing = Things[take.BiomeAt(left + x + Every / 2)];
            thing.Paint(canvas, palette, x + (Every - thing.Width) / 2, Base - thing.Height + 1, false);
        }
    }
}
