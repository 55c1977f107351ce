using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Many tensors as one loop: each is cut into chunks of at most <see cref="Length"/> elements, whatever the number of
/// threads. Tensors come in groups of equal length (a parameter, its gradient, its moments), all float32, in order in
/// memory.
/// </summary>
internal sealed unsafe class Chunks
{
    /// <summary>Elements of a chunk.</summary>
    public const int Length = 1 << 13;

    private readonly int group;
    private readonly List<nint> memory = [];
    private readonly List<(int Item, long From, int Count)> chunks = [];
    private readonly List<Tensor> kept = [];

    /// <summary>Groups of so many tensors.</summary>
    public Chunks(int group) => this.group = group;

    /// <summary>Number of chunks.</summary>
    public int Count => chunks.Count;

    /// <summary>Elements of one tensor of each group, summed.</summary>
    public long Elements { get; private set; }

    /// <summary>Number of groups.</summary>
    public int Items => memory.Count / group;

    /// <summary>Whether the kernels read and write this tensor where it lies.</summary>
    public static bool Takes(Tensor t) =>
        t.dtype == ScalarType.Float32 && t.device_type == DeviceType.CPU && t.is_contiguous();

    /// <summary>Adds a group of tensors, all alike.</summary>
    /// <exception cref="ArgumentException">Not float32 on the CPU in order, or of other sizes than the
    /// first.</exception>
    public void Add(params ReadOnlySpan<Tensor> tensors)
    {
        var count = tensors[0].numel();
        foreach (var tensor in tensors)
        {
            if (!Takes(tensor) || tensor.numel() != count)
            {
                throw new ArgumentException(
                    $"a tensor [{Graph.Sizes(tensor)}] of {tensor.dtype} on {tensor.device} is not "
                        + $"{count} float32 numbers in order"
                );
            }
            memory.Add((nint)TensorMemory.Pointer(tensor));
            kept.Add(tensor);
        }
        var item = Items - 1;
        for (var from = 0L; from < count; from += Length)
            chunks.Add((item, from, (int)Math.Min(Length, count - from)));
        Elements += count;
    }

    /// <summary>Group, first element and number of elements of a chunk.</summary>
    public (int Item, int Count) this[int chunk] => (chunks[chunk].Item, chunks[chunk].Count);

    /// <summary>Where a chunk of one of its tensors lies.</summary>
    public float* At(int chunk, int tensor)
    {
        var (item, from, _) = chunks[chunk];
        return (float*)memory[item * group + tensor] + from;
    }

    /// <summary>Runs a loop over all chunks, a task each.</summary>
    public void Run<TTasks>(TTasks loop)
        where TTasks : struct, ITasks
    {
        Dispatch.Run(loop, ScalarType.Float32, ScalarType.Float32, Count, group * Elements);
        GC.KeepAlive(kept);
    }
}
