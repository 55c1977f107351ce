namespace LongTake.Tensors;

/// <summary>
/// Random numbers as a function of (seed, stream...): the same numbers on every machine and in every version.
/// SplitMix64 (Steele, Lea, Flood 2014). A run never keeps the state of a generator; step k makes its own from (seed,
/// k).
/// </summary>
public sealed class Rng
{
    private ulong state;

    /// <summary>
    /// A generator for <paramref name="seed"/> and any number of stream coordinates (step, sample, purpose).
    /// </summary>
    public Rng(long seed, params ReadOnlySpan<long> stream)
    {
        state = Mix(unchecked((ulong)seed) + Golden);
        foreach (var s in stream)
            state = Mix(state ^ Mix(unchecked((ulong)s) + Golden));
    }

    private const ulong Golden = 0x9E3779B97F4A7C15;

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>64 random bits.</summary>
    public ulong Bits() => Mix(state += Golden);

    /// <summary>Uniform in [0, 1).</summary>
    public double Uniform() => (Bits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform in [low, high).</summary>
    public double Uniform(double low, double high) => low + (high - low) * Uniform();

    /// <summary>Uniform in 0 .. count-1.</summary>
    public int Int(int count) => (int)(Uniform() * count);

    /// <summary>Standard normal (Box-Muller).</summary>
    public double Normal() => Math.Sqrt(-2 * Math.Log(1 - Uniform())) * Math.Cos(2 * Math.PI * Uniform());

    /// <summary>A seed for another generator, for example libtorch's.</summary>
    public long Seed() => (long)(Bits() >> 1);
}
