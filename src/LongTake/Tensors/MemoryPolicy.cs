using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace LongTake.Tensors;

/// <summary>
/// How the C library keeps memory. GNU's gives blocks of more than 128 KB back to the system as soon as they are freed,
/// and each page of the next tensor then costs a page fault: half of the time of an operator on a miniature's tokens.
/// Told so, it keeps up to a gigabyte of what was freed, in blocks of up to 32 MB.
/// </summary>
internal static partial class MemoryPolicy
{
    private const int TrimThreshold = -1,
        MmapThreshold = -3;

    internal static void Apply()
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("MALLOC_TRIM_THRESHOLD_") is not null)
            return;
        try
        {
            _ = mallopt(MmapThreshold, 32 << 20);
            _ = mallopt(TrimThreshold, 1 << 30);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library than GNU's (Alpine's) has no such setting.
        }
    }

    [SupportedOSPlatform("linux")]
    [LibraryImport("libc")]
    private static partial int mallopt(int parameter, int value);
}
