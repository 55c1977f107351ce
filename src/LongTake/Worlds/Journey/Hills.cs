namespace LongTake.Worlds.Journey;

/// <summary>The land behind the road, on which the landmarks stand, at half of the speed.</summary>
internal static class Hills
{
    public const int Speed = 2;

    private const int Side = Scene.Side;

    private static readonly Rgb[] Colours = [(124, 186, 92), (58, 116, 66), (138, 136, 146), (232, 184, 118)];

    public static void Paint(Span<Pixel> canvas, in Light light, JourneyTake take, int position)
    {
        Span<Pixel> face = stackalloc Pixel[4],
            edge = stackalloc Pixel[4];
        for (var b = 0; b < 4; b++)
        {
            face[b] = Rgb.Lerp(Colours[b] * light.Tint, light.Horizon, .06);
            edge[b] = Rgb.Lerp(Colours[b] * 1.12 * light.Tint, light.Horizon, .1);
        }
        var left = Layer.Left(position, Speed);
        for (var x = 0; x < Side; x++)
        {
            var biome = take.BiomeAt(Speed * (left + x));
            canvas[(Scene.Horizon - 1) * Side + x] = edge[biome];
            for (var y = Scene.Horizon; y < Scene.GroundTop; y++)
                canvas[y * Side + x] = face[biome];
        }
    }
}
