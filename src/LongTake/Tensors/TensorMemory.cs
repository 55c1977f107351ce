using System.Diagnostics.CodeAnalysis;

namespace LongTake.Tensors;

/// <summary>A tensor's elements as memory, and memory as a tensor, without a copy.</summary>
public static unsafe class TensorMemory
{
    /// <summary>
    /// Address of the first element (on the tensor's device). It holds as long as the tensor lives; elements lie as its
    /// strides say.
    /// </summary>
    [SuppressMessage("Naming", "CA1720", Justification = "it is one")]
    public static byte* Pointer(Tensor tensor)
    {
        void* address;
        if (StableAbi.DataPointer(tensor.Handle, &address) != 0)
            throw new TorchException($"a tensor of {tensor.dtype} has no elements in memory");
        GC.KeepAlive(tensor);
        return (byte*)address;
    }

    /// <summary>
    /// A CPU tensor over memory that the caller owns: it must stay, and at its place, while the tensor or any view of
    /// it lives, which libtorch cannot know. Memory that may not be written (a file mapped for reading) must not be
    /// changed through the tensor.
    /// </summary>
    public static Tensor Over(void* data, ReadOnlySpan<long> shape, torch.ScalarType type)
    {
        Span<long> strides = stackalloc long[shape.Length];
        for (var (i, stride) = (shape.Length - 1, 1L); i >= 0; stride *= Math.Max(1, shape[i--]))
            strides[i] = stride;
        IntPtr handle;
        const int cpu = 0;
        fixed (
            long* sizes = shape,
                steps = strides
        )
        {
            if (StableAbi.FromMemory(data, shape.Length, sizes, steps, 0, (int)type, cpu, 0, &handle) != 0)
                throw new TorchException(
                    $"no tensor of {type}[{string.Join(", ", shape.ToArray())}] can be made over memory"
                );
        }
        return Tensor.UnsafeCreateTensor(handle);
    }
}
