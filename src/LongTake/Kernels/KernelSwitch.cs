namespace LongTake.Kernels;

/// <summary>
/// Whether the kernels of this folder run, or libtorch's operators in their place: the obvious way beside which they
/// are measured and tested.
/// </summary>
public static class KernelSwitch
{
    /// <summary>
    /// False: libtorch's operators everywhere. LONGTAKE_KERNELS=off in the environment says so at the start.
    /// </summary>
    public static bool On { get; set; } = Wanted(Environment.GetEnvironmentVariable("LONGTAKE_KERNELS"));

    private static bool Wanted(string? text) =>
        text switch
        {
            null or "" or "on" => true,
            "off" => false,
            _ => throw new UserException($"LONGTAKE_KERNELS={text}: on, off or nothing", usage: true),
        };

    /// <summary>Whether a kernel is for this tensor: on a CPU, in float32 or bfloat16.</summary>
    internal static bool Takes(Tensor x) =>
        On && x.device_type == DeviceType.CPU && x.dtype is ScalarType.Float32 or ScalarType.BFloat16;
}
