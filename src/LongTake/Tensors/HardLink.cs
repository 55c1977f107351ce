using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace LongTake.Tensors;

/// <summary>A second name for a file, so that gigabytes that do not change are not copied.</summary>
public static partial class HardLink
{
    /// <summary>
    /// Gives a file a second name, or copies it where the file system cannot. Whoever rewrites either name must do so
    /// by a new file (<see cref="AtomicFile"/>), never in place. What was called <paramref name="to"/> is gone.
    /// </summary>
    public static void OrCopy(string from, string to)
    {
        File.Delete(to);
        if ((OperatingSystem.IsLinux() || OperatingSystem.IsMacOS()) && link(from, to) == 0)
            return;
        File.Copy(from, to);
    }

    [SupportedOSPlatform("linux"), SupportedOSPlatform("macos")]
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);
}
