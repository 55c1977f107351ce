namespace LongTake.Torch;

/// <summary>A seeded CPU random generator of libtorch. Noise is drawn on the CPU, so a seed gives the same film on every device.</summary>
public sealed class Generator : IDisposable
{
    private IntPtr handle;

    /// <summary>A generator that starts at <paramref name="seed"/>.</summary>
    public Generator(long seed) => Native.Check(Native.lt_generator(seed, out handle));

    internal IntPtr Handle => handle != IntPtr.Zero ? handle : throw new ObjectDisposedException(nameof(Generator));

    /// <summary>Standard normal noise, float32.</summary>
    public Tensor Normal(params ReadOnlySpan<long> shape) => Ops.Randn(shape, this);

    /// <summary>Frees the generator.</summary>
    public void Dispose()
    {
        if (handle != IntPtr.Zero) Native.Check(Native.lt_generator_free(handle));
        handle = IntPtr.Zero;
    }
}
