namespace LongTake.Worlds.Journey;

/// <summary>How things are strewn over a layer.</summary>
/// <param name="Speed">The layer moves a pixel while the traveller walks this many.</param>
/// <param name="Cell">Pixels of the layer in which at most one thing stands.</param>
/// <param name="Base">Lowest row of a thing; it is up to <paramref name="Spread"/> - 1 rows higher.</param>
/// <param name="Salt">Tells layers apart that share a seed.</param>
internal readonly record struct Strewn(int Speed, int Cell, int Base, int Spread, int Salt);

/// <summary>Things that stand here and there: which, where and whether is a function of the place.</summary>
internal static class Scatter
{
    /// <summary>Layer coordinate of the leftmost column of the picture.</summary>
    public static int Left(int position, int speed) => Noise.Floor(position, speed) - Scene.Centre;

    /// <param name="things">What may stand in each biome; a cell in <c>count + 1</c> stays empty.</param>
    public static void Paint(
        Span<Pixel> canvas,
        ReadOnlySpan<Pixel> palette,
        JourneyTake take,
        int position,
        in Strewn layer,
        Sprite[][] things
    )
    {
        var left = Left(position, layer.Speed);
        for (var cell = Noise.Floor(left, layer.Cell); cell * layer.Cell < left + Scene.Side; cell++)
        {
            var hash = Noise.Hash(cell, take.Seed + layer.Salt);
            var choice = things[take.BiomeAt(layer.Speed * (cell * layer.Cell + layer.Cell / 2))];
            var pick = hash % (uint)(choice.Length + 1);
            if (pick == choice.Length)
                continue;
            var sprite = choice[pick];
            var x = cell * layer.Cell + (int)((hash >> 8) % (uint)(layer.Cell - sprite.Width + 1)) - left;
            var y = layer.Base - (int)((hash >> 16) % (uint)layer.Spread) - sprite.Height + 1;
            sprite.Paint(canvas, palette, x, y, (hash >> 30) % 2 == 1);
        }
    }
}
