namespace LongTake.Worlds.Journey;

/// <summary>Numbers that look random, as pure functions of a place and a seed.</summary>
internal static class Noise
{
    public static uint Hash(int at, int seed)
    {
        unchecked
        {
            var h = (uint)at * 0x9E3779B1u ^ ((uint)seed * 0x85EBCA77u + 0x165667B1u);
            h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
            h = (h ^ (h >> 12)) * 0x297A2D39u;
            return h ^ (h >> 15);
        }
    }

    /// <summary>In [0, 1).</summary>
    public static double Unit(int at, int seed) => Hash(at, seed) * (1 / 4294967296.0);

    /// <summary>A smooth curve in -1..1 with a random value every <paramref name="period"/> pixels.</summary>
    public static double Wave(int at, int period, int seed)
    {
        var cell = Floor(at, period);
        var k = (double)(at - cell * period) / period;
        var from = Unit(cell, seed);
        return 2 * (from + (Unit(cell + 1, seed) - from) * k * k * (3 - 2 * k)) - 1;
    }

    /// <summary>Quotient rounded down, of a positive divisor.</summary>
    public static int Floor(int a, int b) => (a >= 0 ? a : a - b + 1) / b;
}
