using System.Runtime.InteropServices;

namespace LongTake.Bench.Gpu;

/// <summary>
/// Memory of the device that is in use, by all; what libtorch has once taken it keeps, so that it is its peak at the
/// end of a process.
/// </summary>
internal static class DeviceMemory
{
    private delegate int MemoryInfo(out nuint free, out nuint total);

    /// <summary>Bytes in use on the device of this thread; null where the driver does not tell.</summary>
    public static long? Used(string device)
    {
        var name = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (device == "cpu" || !NativeLibrary.TryLoad(name, out var driver))
            return null;
        if (!NativeLibrary.TryGetExport(driver, "cuMemGetInfo_v2", out var address))
            return null;
        var ask = Marshal.GetDelegateForFunctionPointer<MemoryInfo>(address);
        return ask(out var free, out var total) == 0 ? (long)(total - free) : null;
    }
}
