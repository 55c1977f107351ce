using LongTake.Kernels;
using LongTake.Models.Text;

namespace LongTake.Models.Wan;

/// <summary>
/// Workspace of the attention kernel on so many threads of a CPU, as <see cref="AttentionJob"/> cuts the work; none on
/// a GPU (0 threads), where it is libtorch's and small. It is kept from call to call. Heads are counted over all
/// samples of a batch together.
/// </summary>
internal sealed class AttentionMemory(double headDim, int threads)
{
    private const double Float = 4;

    /// <summary>Bytes of the forward pass.</summary>
    public double Forward(double heads, double queries, double keys)
    {
        if (threads == 0)
            return 0;
        var job = Job(heads, queries, keys);
        return Workers(heads * job.QueryBlocks) * Float * job.ForwardScratch;
    }

    /// <summary>Bytes of the backward pass.</summary>
    public double Backward(double heads, double queries, double keys)
    {
        if (threads == 0)
            return 0;
        var job = Job(heads, queries, keys);
        return Float
            * (Workers(heads * Math.Max(job.QueryBlocks, job.Groups)) * job.BackwardScratch + job.BackwardShared);
    }

    private AttentionJob Job(double heads, double queries, double keys)
    {
        var job = new AttentionJob
        {
            Batches = 1,
            Heads = (int)heads,
            Queries = (int)queries,
            Keys = (int)keys,
            D = (int)headDim,
        };
        job.Plan();
        return job;
    }

    private double Workers(double tasks) => Math.Min(threads, tasks);
}
