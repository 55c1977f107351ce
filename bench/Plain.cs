using LongTake.Kernels;
using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// The peer of most rows: the same model in the same process without the kernels of ours, in the faster of float32
/// and bfloat16.
/// </summary>
internal static class Plain
{
    /// <summary>What the peer is called.</summary>
    public const string Name = "libtorch's operators";

    /// <summary>The work without kernels of ours.</summary>
    public static Action Of(Action work) =>
        () =>
        {
            KernelSwitch.On = false;
            try
            {
                work();
            }
            finally
            {
                KernelSwitch.On = true;
            }
        };

    /// <summary>
    /// A work without kernels, timed; what is stored in bfloat16 is multiplied in the type that is given.
    /// </summary>
    public static Func<double> Of(Func<double> work, ProductKind kind) =>
        () =>
        {
            var was = Products.Kind;
            var seconds = 0.0;
            try
            {
                Products.Kind = kind;
                Of(() =>
                {
                    seconds = work();
                })();
                return seconds;
            }
            finally
            {
                Products.Kind = was;
            }
        };

    /// <summary>The one of two series that is faster, and its type.</summary>
    public static (double[] Seconds, string Type) Faster(double[] bfloat16, double[] float32) =>
        Turns.Median(bfloat16) <= Turns.Median(float32) ? (bfloat16, "bfloat16") : (float32, "float32");
}
