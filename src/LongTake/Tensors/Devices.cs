using System.Runtime.InteropServices;
using System.Text;

namespace LongTake.Tensors;

/// <summary>The devices that the loaded libtorch can use, and why it cannot use others.</summary>
internal static unsafe class Devices
{
    /// <summary>Devices, and a sentence for each kind that is not among them.</summary>
    public static (IReadOnlyList<EngineDevice> Here, IReadOnlyList<string> Absent) Find(EngineLoader engine)
    {
        var here = new List<EngineDevice>
        {
            new(
                "cpu",
                RuntimeInformation.ProcessArchitecture.ToString(),
                GC.GetGCMemoryInfo().TotalAvailableMemoryBytes
            ),
        };
        var absent = new List<string>();
        var count = torch.cuda.is_available() ? torch.cuda.device_count() : 0;
        for (var i = 0; i < count; i++)
            here.Add(Cuda(i));
        if (count == 0)
            absent.Add("cuda: " + WhyNoCuda(engine.Folder.Cuda));
        if (torch.mps_is_available())
            here.Add(new("mps", "Apple GPU", 0));
        else if (OperatingSystem.IsMacOS())
            absent.Add("mps: this is no Apple silicon");
        return (here, absent);
    }

    /// <summary>Why no CUDA device can be used.</summary>
    public static string WhyNoCuda(bool built)
    {
        if (OperatingSystem.IsMacOS())
            return "there is none on macOS";
        if (!built)
            return $"this libtorch is built for the CPU alone; set {LibtorchFolder.Variable} to one with CUDA, or "
                + $"build the program with -p:Torch=cuda";
        if (!NativeLibrary.TryLoad(Driver, out var driver))
            return $"no NVIDIA driver here ({Driver} is not found)";
        var start = (delegate* unmanaged<uint, int>)NativeLibrary.GetExport(driver, "cuInit");
        var count = (delegate* unmanaged<int*, int>)NativeLibrary.GetExport(driver, "cuDeviceGetCount");
        int found;
        if (start(0) is var status and not 0)
            return $"the NVIDIA driver does not start (error {status} of cuInit)";
        if (count(&found) != 0 || found == 0)
            return Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES") is { } shown
                ? $"CUDA_VISIBLE_DEVICES='{shown}' shows none"
                : "the NVIDIA driver sees no device";
        return "the NVIDIA driver is too old for this libtorch";
    }

    private static string Driver => OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";

    // TorchSharp tells neither name nor memory: the driver does. It counts the devices as libtorch does.
    private static EngineDevice Cuda(int index)
    {
        var device = $"cuda:{index}";
        if (!NativeLibrary.TryLoad(Driver, out var driver))
            return new(device, "CUDA", 0);
        var (getName, getMemory) = (
            NativeLibrary.GetExport(driver, "cuDeviceGetName"),
            NativeLibrary.GetExport(driver, "cuDeviceTotalMem_v2")
        );
        Span<byte> name = stackalloc byte[256];
        nuint memory = 0;
        name.Clear();
        fixed (byte* to = name)
            _ = ((delegate* unmanaged<byte*, int, int, int>)getName)(to, name.Length, index);
        _ = ((delegate* unmanaged<nuint*, int, int>)getMemory)(&memory, index);
        return new(device, Encoding.UTF8.GetString(name[..name.IndexOf((byte)0)]), (long)memory);
    }
}
