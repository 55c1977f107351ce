using System.Runtime.InteropServices;

namespace LongTake.Torch;

/// <summary>A second name for a file, so that gigabytes that do not change are not copied.</summary>
public static partial class HardLink
{
    /// <summary>
    /// Gives a file a second name, or copies it where the file system cannot. Whoever rewrites either name must do so by a new file
    /// (<see cref="AtomicFile"/>), never in place. What was called <paramref name="to"/> is gone.
    /// </summary>
    public static void OrCopy(string from, string to)
    {
        File.Delete(to);
        if (OperatingSystem.IsWindows() || link(from, to) != 0) File.Copy(from, to);
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string from, string to);
}
