using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace LongTake.Tensors;

/// <summary>
/// How the threads of libtorch wait, set through OpenMP's environment variables before it is loaded; what a person has
/// set stays. A waiting thread spins for a moment and then sleeps: to spin on, the default, takes the core from the
/// very thread that is waited for as soon as anything else runs on the machine, our own kernels among it, and to be
/// woken for each small operator takes as long as the operator. libtorch brings GNU's OpenMP on Linux, Intel's on
/// Windows and LLVM's on macOS; a conda PyTorch on Linux brings Intel's too.
/// </summary>
public static partial class ThreadPolicy
{
    private const string Wait = "OMP_WAIT_POLICY",
        Spin = "GOMP_SPINCOUNT",
        Block = "KMP_BLOCKTIME";

    /// <summary>The policy in force, for a person.</summary>
    public static string Text =>
        (Get(Wait)?.ToLowerInvariant(), Get(OperatingSystem.IsLinux() ? Spin : Block)) switch
        {
            ("active", _) => $"waiting threads spin ({Wait}=active)",
            (_, "0") or ("passive", null) => "waiting threads sleep",
            _ => "waiting threads spin for a moment, then sleep",
        };

    // Only where nobody has said anything about waiting. Intel's and LLVM's count milliseconds, GNU's pauses of some 50
    // ns.
    internal static void Apply()
    {
        if (Get(Wait) is not null || Get(Spin) is not null || Get(Block) is not null)
            return;
        Set(Block, "1");
        if (!OperatingSystem.IsLinux())
            return;
        Set(Wait, "passive");
        Set(Spin, "10000");
    }

    // On Unix .NET keeps a copy of the environment of its own: native libraries do not see what it sets.
    private static void Set(string name, string value)
    {
        Environment.SetEnvironmentVariable(name, value);
        if (OperatingSystem.IsLinux() || OperatingSystem.IsMacOS())
            _ = setenv(name, value, 0);
    }

    private static string? Get(string name) => Environment.GetEnvironmentVariable(name);

    [SupportedOSPlatform("linux"), SupportedOSPlatform("macos")]
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int setenv(string name, string value, int overwrite);
}
