namespace LongTake.Torch;

/// <summary>How the tensors of all ranks become one.</summary>
public enum Reduction { Sum, Mean, Max }

/// <summary>
/// The ranks that train or generate together: libtorch's collectives over Gloo (CPU) or NCCL (CUDA). Every rank calls the
/// same verbs in the same order with tensors of the same shape. A verb waits until its result is there; nothing is recorded
/// for autograd. A rank that stays away makes the others fail after the timeout, after which the group is of no more use.
/// </summary>
public sealed class ProcessGroup : IDisposable
{
    private enum Verb { Barrier, Broadcast, AllReduce, AllGather, ReduceScatter, AllToAll }

    private static readonly Op newEmpty = new("aten::new_empty(self, size)");
    private static readonly TimeSpan patience = TimeSpan.FromMinutes(30);
    private IntPtr handle;

    /// <summary>
    /// Joins the group that meets at <paramref name="host"/>:<paramref name="port"/>; returns when all ranks are there.
    /// <paramref name="serve"/>: this process holds the meeting point, by default rank 0. <paramref name="device"/>: the
    /// CUDA device of this rank, for NCCL. <paramref name="name"/> keeps groups apart that meet at one address.
    /// </summary>
    public ProcessGroup(
        string backend, string host, int port, int rank, int size, TimeSpan? timeout = null, bool? serve = null,
        int device = 0, string name = "longtake")
    {
        (Backend, Rank, Size) = (backend, rank, size);
        var status = Native.lt_group_create(
            backend, host, port, rank, size, serve ?? rank == 0 ? 1 : 0, device, name,
            (long)(timeout ?? patience).TotalMilliseconds, out handle);
        if (status != 0) throw Failure($"joining at {host}:{port}");
    }

    /// <summary>"gloo" or "nccl".</summary>
    public string Backend { get; }

    /// <summary>Number of this process, from 0.</summary>
    public int Rank { get; }

    /// <summary>Number of processes.</summary>
    public int Size { get; }

    /// <summary>
    /// The group that torchrun, Slurm or Kubernetes describe in WORLD_SIZE, RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, or
    /// null for a single process. No backend given: NCCL where it and a CUDA device are here, else Gloo.
    /// </summary>
    public static ProcessGroup? FromEnvironment(string? backend = null, TimeSpan? timeout = null)
    {
        var size = Number("WORLD_SIZE", 1, 1, int.MaxValue);
        if (size == 1) return null;
        var rank = Number("RANK", null, 0, size - 1);
        var device = Number("LOCAL_RANK", 0, 0, 255);
        var host = Environment.GetEnvironmentVariable("MASTER_ADDR") is { Length: > 0 } address
            ? address : throw Missing("MASTER_ADDR");
        var port = Number("MASTER_PORT", null, 1, 65535);
        // torchrun's agent already holds the meeting point; a restarted attempt must not read the keys of the last one.
        var agent = Environment.GetEnvironmentVariable("TORCHELASTIC_USE_AGENT_STORE") == "True";
        var attempt = Environment.GetEnvironmentVariable("TORCHELASTIC_RESTART_COUNT") ?? "0";
        backend ??= Libtorch.CudaDevices > 0 && Libtorch.Features.Contains("nccl") ? "nccl" : "gloo";
        return new ProcessGroup(backend, host, port, rank, size, timeout, rank == 0 && !agent, device, $"longtake/{attempt}");
    }

    /// <summary>Waits until every rank is here.</summary>
    public void Barrier() => Call(Verb.Barrier, null, null, 0);

    /// <summary>Overwrites the tensor with that of the rank <paramref name="root"/>; returns it.</summary>
    public Tensor Broadcast_(Tensor x, int root = 0) => Call(Verb.Broadcast, x, null, root);

    /// <summary>Overwrites the tensor with the sum (mean, maximum) of all ranks; returns it.</summary>
    public Tensor AllReduce_(Tensor x, Reduction reduction = Reduction.Sum) => Call(Verb.AllReduce, x, null, (int)reduction);

    /// <summary>The tensors of all ranks, one after the other along the first dimension: [n, ...] to [Size * n, ...].</summary>
    public Tensor AllGather(Tensor x) => Call(Verb.AllGather, x, [x.Size(0) * Size, .. x.Shape[1..]], 0);

    /// <summary>This rank's part of the sum (mean, maximum) of all ranks: [Size * n, ...] to [n, ...].</summary>
    public Tensor ReduceScatter(Tensor x, Reduction reduction = Reduction.Sum) =>
        Call(Verb.ReduceScatter, x, [Part(x), .. x.Shape[1..]], (int)reduction);

    /// <summary>Part i goes to rank i; what comes back is in the order of the ranks it came from: [Size * n, ...] stays.</summary>
    public Tensor AllToAll(Tensor x) => Call(Verb.AllToAll, x, [Part(x) * Size, .. x.Shape[1..]], 0);

    /// <summary>Leaves the group.</summary>
    public void Dispose()
    {
        if (handle == IntPtr.Zero) return;
        var leaving = handle;
        handle = IntPtr.Zero;
        Native.Check(Native.lt_group_free(leaving));
    }

    private long Part(Tensor x) => x.Size(0) % Size == 0
        ? x.Size(0) / Size
        : throw new TorchException($"the first dimension of {x} does not divide by the {Size} ranks");

    private Tensor Call(Verb verb, Tensor? x, long[]? result, int argument)
    {
        ObjectDisposedException.ThrowIf(handle == IntPtr.Zero, this);
        var output = result is null ? null : newEmpty.One(x, result);
        if (Native.lt_group_call(handle, (int)verb, x?.Handle ?? 0, output?.Handle ?? 0, argument) != 0)
            throw Failure(x is null ? $"{verb}" : $"{verb} ({x})");
        return output ?? x!;
    }

    private TorchException Failure(string what) =>
        new($"rank {Rank} of {Size}, {Backend}: {what}: {Native.Error.ReplaceLineEndings(" ").Trim()}");

    private static int Number(string variable, int? otherwise, int low, int high)
    {
        var text = Environment.GetEnvironmentVariable(variable);
        if (string.IsNullOrEmpty(text)) return otherwise ?? throw Missing(variable);
        return int.TryParse(text, out var n) && n >= low && n <= high
            ? n
            : throw new UserException($"{variable}={text}: must be a whole number from {low} to {high}", usage: true);
    }

    private static UserException Missing(string variable) => new(
        $"WORLD_SIZE asks for several processes but {variable} is not set: start with torchrun, or set WORLD_SIZE, RANK, " +
        "LOCAL_RANK, MASTER_ADDR and MASTER_PORT in each process", usage: true);
}
