namespace LongTake.Worlds.Journey;

/// <summary>What stands far away: hills, firs, towers or table mountains, at a quarter of the speed.</summary>
internal static class Skyline
{
    public const int Speed = 4;

    private const int Side = Scene.Side,
        House = 7,
        Fir = 6,
        Mesa = 17;

    private static readonly Rgb[] Colours = [(104, 160, 120), (50, 104, 90), (90, 94, 124), (212, 138, 92)];

    public static void Paint(Span<Pixel> canvas, in Light light, JourneyTake take, int position)
    {
        Span<Pixel> face = stackalloc Pixel[4];
        // Air lies before it, a share of the colour of the horizon; by night it would hide the towers.
        var air = .2 * (1 - light.Dark);
        for (var b = 0; b < 4; b++)
            face[b] = Rgb.Lerp(Colours[b] * light.Tint, light.Horizon, air);
        var left = Layer.Left(position, Speed);
        for (var x = 0; x < Side; x++)
        {
            var biome = take.BiomeAt(Speed * (left + x));
            for (var y = Scene.Horizon - Height(biome, left + x, take.Seed); y < Scene.Horizon + 3; y++)
                canvas[y * Side + x] = face[biome];
        }
    }

    /// <summary>Pixels of the skyline above the horizon at a place of its layer.</summary>
    public static int Height(int biome, int at, int seed) =>
        biome switch
        {
            0 => (int)(7 + 3.2 * Noise.Wave(at, 15, seed + 1) + 1.6 * Noise.Wave(at, 6, seed + 2)),
            1 => FirHeight(at, seed),
            2 => Mod(at, House) == House - 1 ? 3 : 6 + (int)(Noise.Hash(Noise.Floor(at, House), seed + 4) % 12),
            _ => MesaHeight(at, seed),
        };

    private static int FirHeight(int at, int seed)
    {
        var tip = 8 + Noise.Hash(Noise.Floor(at, Fir), seed + 3) % 6;
        return (int)(tip - 1.7 * Math.Abs(Mod(at, Fir) - 2.5));
    }

    private static int MesaHeight(int at, int seed)
    {
        var (cell, r) = (Noise.Floor(at, Mesa), Mod(at, Mesa));
        var (high, from, wide) = (
            6 + (int)(Noise.Hash(cell, seed + 5) % 8),
            1 + (int)(Noise.Hash(cell, seed + 6) % 4),
            8 + (int)(Noise.Hash(cell, seed + 7) % 4)
        );
        var dune = 3 + (int)(1.5 * Noise.Wave(at, 11, seed + 8));
        var inside = Math.Min(r - from, from + wide - 1 - r);
        return inside < 0 ? dune : Math.Min(high, 4 + 3 * inside);
    }

    private static int Mod(int a, int b) => a - b * Noise.Floor(a, b);
}
