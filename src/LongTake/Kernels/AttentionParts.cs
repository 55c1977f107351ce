using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// One call of attention on tensors: one job over all tokens, or one along time for the first half of the heads and one
/// along space for the rest. Holds what it makes until disposed of.
/// </summary>
internal sealed unsafe class AttentionParts : IDisposable
{
    private readonly Tensor q;
    private readonly Tensor k;
    private readonly Tensor v;
    private readonly Tensor? from;
    private readonly Tensor? until;
    private readonly AttentionKernel.Call call;
    private readonly List<Tensor> made = [];
    private readonly long tokens;
    private readonly long keys;
    private readonly int heads;

    /// <summary>Checked inputs; see <see cref="AttentionKernel"/>.</summary>
    public AttentionParts(Tensor q, Tensor k, Tensor v, Tensor? from, Tensor? until, AttentionKernel.Call call)
    {
        this.q = Readable(q);
        this.k = Readable(k);
        this.v = Readable(v);
        this.from = from is null || from.is_contiguous() ? from : Own(from.contiguous());
        this.until = until is null || until.is_contiguous() ? until : Own(until.contiguous());
        this.call = call;
        tokens = q.shape[1];
        keys = k.shape[1];
        heads = (int)q.shape[2];
    }

    /// <summary>The result [B, N, heads, d]; of the forward pass, or given for the backward one.</summary>
    public Tensor? Out { get; set; }

    /// <summary>See <see cref="AttentionJob.Top"/>: [2, B heads N] float32, the parts one after another.</summary>
    public Tensor? Saved { get; set; }

    /// <summary>Makes <see cref="Out"/> and <see cref="Saved"/>.</summary>
    public void Forward()
    {
        Out = Own(Like(q));
        Saved = Own(empty([2, q.shape[0] * heads * tokens], ScalarType.Float32));
        foreach (var (job, part) in Jobs())
        {
            job.Out = View(Out, part);
            Run(job, false);
        }
        KeepAlive(null);
    }

    /// <summary>Gradients of q, k and v from that of the result; the caller owns them.</summary>
    public (Tensor Q, Tensor K, Tensor V) Backward(Tensor gradient)
    {
        var grad = Readable(gradient.dtype == q.dtype ? gradient : Own(gradient.to(q.dtype)));
        var (dq, dk, dv) = (Like(q), Like(k), Like(v));
        foreach (var (job, part) in Jobs())
        {
            job.Out = View(Out!, part);
            job.Grad = View(grad, part);
            job.DQ = View(dq, part);
            job.DK = View(dk, part);
            job.DV = View(dv, part);
            Run(job, true);
        }
        KeepAlive(grad);
        return (dq, dk, dv);
    }

    /// <summary>The result, no longer held.</summary>
    public Tensor TakeOut() => Take(Out!);

    /// <summary>Something made here, no longer held.</summary>
    public Tensor Take(Tensor tensor)
    {
        made.RemoveAll(other => ReferenceEquals(other, tensor));
        return tensor;
    }

    public void Dispose()
    {
        foreach (var tensor in made)
            tensor.Dispose();
        made.Clear();
    }

    // Some heads, and what attends to each other in them: all tokens, each place over time, or each frame over its
    // places.
    private readonly record struct Part(bool Whole, bool AlongTime, long Frames, long Places, int First, int Heads);

    private IEnumerable<(AttentionJob Job, Part Part)> Jobs()
    {
        if (call.Frames == 0)
        {
            yield return Job(new(true, false, 1, tokens, 0, heads));
            yield break;
        }
        var (frames, places, half) = (call.Frames, tokens / call.Frames, heads / 2);
        if (half > 0)
            yield return Job(new(false, true, frames, places, 0, half));
        yield return Job(new(false, false, frames, places, half, heads - half));
    }

    private (AttentionJob, Part) Job(Part part)
    {
        var job = new AttentionJob
        {
            Inner = (int)(part.AlongTime ? part.Places : part.Frames),
            Queries = (int)(part.AlongTime ? part.Frames : part.Places),
            Heads = part.Heads,
            D = (int)q.shape[3],
            Half = q.dtype == ScalarType.BFloat16,
            Q = View(q, part),
            K = View(k, part),
            V = View(v, part),
            Top = (float*)TensorMemory.Pointer(Saved!) + q.shape[0] * tokens * part.First,
        };
        job.Keys = part.Whole ? (int)keys : job.Queries;
        job.Batches = (int)q.shape[0] * job.Inner;
        job.Scale = (float)(1 / Math.Sqrt(job.D));
        if (from is not null && until is not null)
        {
            job.From = (int*)TensorMemory.Pointer(from);
            job.Until = (int*)TensorMemory.Pointer(until);
            job.MaskBatch = from.shape[0] == 1 ? 0 : keys;
        }
        job.Share = job.Top + q.shape[0] * tokens * heads;
        job.Plan();
        return (job, part);
    }

    private static AttentionView View(Tensor t, Part part)
    {
        var stride = t.stride();
        var size = t.dtype == ScalarType.BFloat16 ? 2L : 4L;
        var token = stride[1] * size;
        var frame = part.Places * token;
        return new()
        {
            Data = TensorMemory.Pointer(t) + part.First * stride[2] * size,
            Batch = stride[0] * size,
            Place = part.AlongTime ? token : frame,
            Token = part.AlongTime ? frame : token,
            Head = stride[2] * size,
        };
    }

    private void Run(AttentionJob job, bool backward)
    {
        var simd = SimdSupport.Limit(call.Simd);
        if (simd == Simd.V512)
            Run<L512, Vector512<float>>(job, backward);
        else if (simd == Simd.V256)
            Run<L256, Vector256<float>>(job, backward);
        else
            Run<L1, float>(job, backward);
    }

    private static void Run<L, V>(AttentionJob job, bool backward)
        where L : struct, ILanes<V>
        where V : struct
    {
        if (backward)
            AttentionBackward<L, V>.Run(job);
        else
            AttentionForward<L, V>.Run(job);
    }

    // Addresses were in use until here.
    private void KeepAlive(Tensor? other)
    {
        GC.KeepAlive(q);
        GC.KeepAlive(k);
        GC.KeepAlive(v);
        GC.KeepAlive(from);
        GC.KeepAlive(until);
        GC.KeepAlive(Out);
        GC.KeepAlive(Saved);
        GC.KeepAlive(other);
    }

    private static Tensor Like(Tensor t) => empty(t.shape, t.dtype);

    private Tensor Readable(Tensor t) => t.stride(3) == 1 || t.shape[3] == 1 ? t : Own(t.contiguous());

    private Tensor Own(Tensor t)
    {
        made.Add(t);
        return t;
    }
}
