namespace LongTake.Generation;

/// <summary>Where a transformer's blocks are kept while a video is sampled.</summary>
public enum Offload
{
    /// <summary>
    /// As <see cref="On"/> when the weights take more than <see cref="Offloading.Share"/> of the device's memory, else
    /// as <see cref="Off"/>.
    /// </summary>
    Auto,

    /// <summary>In their files; each block comes to the device for its turn.</summary>
    On,

    /// <summary>On the device, all of them.</summary>
    Off,
}

/// <summary>The rule of <see cref="Offload.Auto"/>.</summary>
public static class Offloading
{
    /// <summary>
    /// The part of a device's memory that weights may take; activations, caches and the autoencoder need the rest.
    /// </summary>
    public const double Share = 0.6;

    /// <summary>Whether weights of so many bytes are streamed to a device.</summary>
    public static bool Streams(Offload wish, long bytes, torch.Device device) =>
        wish == Offload.On || wish == Offload.Auto && bytes > Share * Memory(device);

    private static long Memory(torch.Device device) => Engine.Describe().Devices.First(d => d.Is(device)).Memory;
}
