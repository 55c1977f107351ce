using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// A loop over tasks, compiled for a vector width and for the element types of what it mostly reads and writes.
/// </summary>
internal interface ITasks
{
    /// <summary>One task; tasks share no output.</summary>
    void Run<TFloats, TIn, TOut>(int task)
        where TFloats : unmanaged, IFloats<TFloats>
        where TIn : unmanaged
        where TOut : unmanaged;
}

/// <summary>Picks the compiled form of a loop and runs its tasks on all threads.</summary>
internal static class Dispatch
{
    /// <summary>Elements of a task: some microseconds.</summary>
    public const long Grain = 1 << 14;

    // Fewer elements take less time than another thread takes to wake up.
    private const long Alone = 1 << 18;

    /// <summary>
    /// Runs the tasks with elements <paramref name="input"/> and <paramref name="output"/> (float32 or bfloat16), on
    /// the calling thread alone where so few elements are touched that another would come too late.
    /// </summary>
    public static void Run<TTasks>(TTasks loop, ScalarType input, ScalarType output, int tasks, long elements)
        where TTasks : struct, ITasks
    {
        switch (SimdLevel.Current)
        {
            case Simd.V512:
                Typed<TTasks, Floats16>(loop, input, output, tasks, elements);
                break;
            case Simd.V256:
                Typed<TTasks, Floats8>(loop, input, output, tasks, elements);
                break;
            default:
                Typed<TTasks, Float1>(loop, input, output, tasks, elements);
                break;
        }
    }

    private static void Typed<TTasks, TFloats>(
        TTasks loop,
        ScalarType input,
        ScalarType output,
        int tasks,
        long elements
    )
        where TTasks : struct, ITasks
        where TFloats : unmanaged, IFloats<TFloats>
    {
        var small = input == ScalarType.BFloat16;
        if (output == ScalarType.BFloat16)
        {
            if (small)
                Each(loop.Run<TFloats, ushort, ushort>, tasks, elements);
            else
                Each(loop.Run<TFloats, float, ushort>, tasks, elements);
            return;
        }
        if (small)
            Each(loop.Run<TFloats, ushort, float>, tasks, elements);
        else
            Each(loop.Run<TFloats, float, float>, tasks, elements);
    }

    private static void Each(Action<int> body, int tasks, long elements)
    {
        if (elements < Alone)
        {
            for (var task = 0; task < tasks; task++)
                body(task);
            return;
        }
        Workers.For(tasks, body);
    }
}
