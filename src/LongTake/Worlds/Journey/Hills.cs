namespace LongTake.Worlds.Journey;

/// <summary>The land behind the road, on which small things and the landmarks stand, at half of the speed.</summary>
internal static class Hills
{
    public const int Speed = 2;

    private const int Side = Scene.Side;

    private static readonly Rgb[] Colours = [(124, 186, 92), (58, 116, 66), (138, 136, 146), (232, 184, 118)];

    private static readonly Sprite[][] Things =
    [
        [
            new(
                """
                ....RR...
                ..RRRRRR.
                .RRRRRRRR
                ..WWWWWw.
                ..WKWDWw.
                ..WWWDWw.
                """
            ),
            new(
                """
                .GGG.
                GHGGG
                GGGGg
                gGGgg
                ..T..
                ..T..
                """
            ),
        ],
        [
            new(
                """
                ..g..
                ..g..
                .gGg.
                .gGg.
                ggGgg
                .gGg.
                ggGgg
                ggGgg
                ..T..
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
                ...T...
                """
            ),
        ],
        [
            new(
                """
                ssssssss
                SSSSSSSs
                SKSSKSSs
                SSSSSSSs
                SKSSKSSs
                SSSSSSSs
                SKSDDSSs
                SSSDDSSs
                """
            ),
            new(
                """
                .RRRRRRR.
                RRRRRRRRR
                wWWWWWWWs
                wKKWDDWKs
                wKKWDDWKs
                wWWWDDWWs
                """
            ),
        ],
        [
            new(
                """
                .OOOOOo..
                OOOOOOoo.
                OOo..OOo.
                OOo..OOo.
                OOo..OOo.
                """
            ),
            new(
                """
                ..Gg...
                ..Gg.Gg
                Gg.Ggg.
                .GGgg..
                ..Gg...
                ..Gg...
                """
            ),
        ],
    ];

    public static void Paint(
        Span<Pixel> canvas,
        ReadOnlySpan<Pixel> palette,
        in Light light,
        JourneyTake take,
        int position
    )
    {
        Scatter.Paint(canvas, palette, take, position, new(Speed, 17, Scene.Horizon - 1, 1, 31), Things);
        Span<Pixel> face = stackalloc Pixel[4],
            edge = stackalloc Pixel[4];
        for (var b = 0; b < 4; b++)
        {
            face[b] = Rgb.Lerp(Colours[b] * light.Tint, light.Horizon, .06);
            edge[b] = Rgb.Lerp(Colours[b] * 1.12 * light.Tint, light.Horizon, .1);
        }
        var left = Scatter.Left(position, Speed);
        for (var x = 0; x < Side; x++)
        {
            var biome = take.BiomeAt(Speed * (left + x));
            var top = Scene.Horizon + (int)Math.Round(.9 * Noise.Wave(left + x, 9, take.Seed + 9)) - 1;
            canvas[top * Side + x] = edge[biome];
            for (var y = top + 1; y < Scene.GroundTop; y++)
                canvas[y * Side + x] = face[biome];
        }
    }
}
