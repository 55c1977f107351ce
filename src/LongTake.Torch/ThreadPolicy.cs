using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace LongTake.Torch;

/// <summary>
/// How the libraries under libtorch use the cores, told to them by the environment before they are loaded. What a person has set stays.
/// Threads of OpenMP spin for a moment while they wait and then sleep: spinning on, the default, takes the core from the very thread that is
/// waited for as soon as anything else runs on the machine, and being woken for each of a miniature's operators takes as long as the
/// operator. OpenBLAS has threads of its own, which would take the cores from those; it is told to have one, for layers share their tokens
/// among OpenMP's threads themselves (native/linear.cpp). An OpenBLAS that is older than the processor falls back to kernels of 2004 (SSE3); with AVX-512 it
/// is told to take those of Skylake-X, which every such processor of Intel runs.
/// </summary>
public static partial class ThreadPolicy
{
    private const string Wait = "OMP_WAIT_POLICY", Spin = "GOMP_SPINCOUNT", Core = "OPENBLAS_CORETYPE", Pool = "OPENBLAS_NUM_THREADS";

    /// <summary>The policy in force, for a person.</summary>
    public static string Text => $"waiting threads {(Get(Wait)?.ToLowerInvariant() is "active" ? $"spin ({Wait}=active)" : Get(Spin) is "0" ? "sleep" : "spin for a moment, then sleep")}" +
        (Get(Core) is { } core ? $"; OpenBLAS kernels of {core}" : "");

    internal static void Apply()
    {
        if (!OperatingSystem.IsLinux()) return;
        if (Get(Wait) is null)
        {
            Set(Wait, "passive");
            Set(Spin, "10000");   // pauses of some 50 ns
        }
        Set(Pool, "1");
        if (Intel() && Avx512F.IsSupported && Avx512DQ.IsSupported && Avx512BW.IsSupported) Set(Core, "SkylakeX");
    }

    private static bool Intel()
    {
        if (!X86Base.IsSupported) return false;
        var (_, b, c, d) = X86Base.CpuId(0, 0);
        return (b, d, c) == (0x756e6547, 0x49656e69, 0x6c65746e);   // Genu ineI ntel
    }

    // .NET's own copy of the environment is not the one native libraries read.
    private static void Set(string name, string value) => _ = setenv(name, value, 0);

    private static string? Get(string name) => Marshal.PtrToStringUTF8(getenv(name));

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)] private static partial int setenv(string name, string value, int overwrite);
    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)] private static partial IntPtr getenv(string name);
}
