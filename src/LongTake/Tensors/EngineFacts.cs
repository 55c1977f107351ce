namespace LongTake.Tensors;

/// <summary>What is loaded, and what it can use.</summary>
/// <param name="Version">libtorch's version, as far as it says ("2.10.0+cu128").</param>
/// <param name="Folder">Where its libraries are.</param>
/// <param name="From">"package", or "LIBTORCH".</param>
/// <param name="Adapted">Whether TorchSharp's native part was adapted to an older libstdc++.</param>
/// <param name="Threads">How many threads it computes with.</param>
/// <param name="Waiting">How they wait.</param>
/// <param name="Devices">The devices that can be used, the CPU first.</param>
/// <param name="Absent">For each kind of device that cannot, why not.</param>
/// <param name="Warning">What to tell a person; null when nothing.</param>
public sealed record EngineFacts(
    string Version,
    string Folder,
    string From,
    bool Adapted,
    int Threads,
    string Waiting,
    IReadOnlyList<EngineDevice> Devices,
    IReadOnlyList<string> Absent,
    string? Warning
);

/// <summary>A device: its name for --device, what it is, and its memory in bytes (0 where unknown).</summary>
public sealed record EngineDevice(string Name, string Model, long Memory)
{
    /// <summary>Whether this is that device; "cuda" is the first one.</summary>
    public bool Is(torch.Device device) => Name == ComputeDevice.Name(device);
}
