namespace LongTake.Worlds.Journey;

/// <summary>Layers that pass at a part of the traveller's speed.</summary>
internal static class Layer
{
    /// <summary>
    /// Layer coordinate of the leftmost column of the picture, of a layer that moves a pixel while the traveller walks
    /// <paramref name="speed"/>.
    /// </summary>
    public static int Left(int position, int speed) => Noise.Floor(position, speed) - Scene.Centre;
}
