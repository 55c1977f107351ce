using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// The vector width that the kernels between the matrix products use. Set by tests; otherwise what the processor has.
/// </summary>
internal static class SimdLevel
{
    /// <summary>
    /// The widest that this processor runs as instructions. Where only 128-bit vectors exist (ARM), 256-bit ones are
    /// pairs of them.
    /// </summary>
    public static Simd Widest { get; } =
        Vector512.IsHardwareAccelerated ? Simd.V512
        : Vector128.IsHardwareAccelerated ? Simd.V256
        : Simd.Scalar;

    /// <summary>The width that the next kernel call takes.</summary>
    public static Simd Current { get; set; } = Widest;
}
