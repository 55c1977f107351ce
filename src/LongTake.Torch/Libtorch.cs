namespace LongTake.Torch;

/// <summary>Facts and settings of the loaded libtorch.</summary>
public static unsafe class Libtorch
{
    /// <summary>Version text of the headers the native library was built with.</summary>
    public static string Version => Native.Text(Native.lt_version);

    /// <summary>Path of the libtorch library that is loaded.</summary>
    public static string Path => Native.Text(Native.lt_library_path);

    /// <summary>What the native side was built with, of "gloo", "nccl", "cuda" and "sentencepiece".</summary>
    public static string[] Features =>
    [
        .. Native.Text(Native.lt_features).Split(' ', StringSplitOptions.RemoveEmptyEntries),
        .. Native.Built("longtake_text") ? ["sentencepiece"] : Array.Empty<string>(),
    ];

    /// <summary>Threads of one operator.</summary>
    public static int Threads
    {
        get { Native.Check(Native.lt_threads(0, out var now)); return now; }
        set => Native.Check(Native.lt_threads(value, out _));
    }

    /// <summary>CUDA devices that can be used.</summary>
    public static int CudaDevices { get { Native.Check(Native.lt_device_count(out var n)); return n; } }

    /// <summary>Bytes used now, at most so far, and in all, on a CUDA device.</summary>
    public static (long Used, long Peak, long Total) CudaMemory(int device)
    {
        Native.Check(Native.lt_memory(device, out var used, out var peak, out var total));
        return (used, peak, total);
    }

    /// <summary>
    /// Bytes of tensors on the CPU now, and at most since the first call or the last <paramref name="restart"/> before this one. Counted at libtorch's
    /// allocator, exactly, from the first call on: what was made before it is not known. Mapped files and other memory of the process,
    /// such as that of oneDNN, are not among them.
    /// </summary>
    public static (long Now, long Most) CpuMemory(bool restart = false)
    {
        Native.Check(Native.lt_cpu_memory(restart ? 1 : 0, out var now, out var most));
        return (now, most);
    }

    /// <summary>Waits for the devices to finish.</summary>
    public static void Synchronize() => Native.Check(Native.lt_synchronize());

    /// <summary>Size and payload offset of a value as the native side sees it.</summary>
    public static (long Size, long PayloadOffset) ValueLayout
    {
        get { Native.Check(Native.lt_value_layout(out var size, out var offset)); return (size, offset); }
    }
}
