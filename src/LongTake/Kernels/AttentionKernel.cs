using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Softmax attention, scale 1/sqrt(d), on a CPU: float32 or bfloat16 in memory, float32 inside, in memory that grows
/// with the tokens and not with their square. Forward and first derivatives; the same bits whatever the number of
/// threads.
/// </summary>
internal static class AttentionKernel
{
    /// <summary>
    /// Whether this attention is for a tensor; where only 128-bit vectors exist (ARM) libtorch's own is faster.
    /// </summary>
    public static bool Takes(Tensor x) => KernelSwitch.Takes(x) && SimdSupport.Best != Simd.Scalar;

    /// <summary>
    /// q [B, N, heads, d], k and v [B, M, heads, d] -> [B, N, heads, d]. Any strides; where the last dimension is not
    /// contiguous a copy is made.
    /// </summary>
    /// <param name="from">With <paramref name="until"/>: [B or 1, M] int32; key j is seen by the queries from[j] &lt;=
    /// i &lt; until[j]. A query that sees no key gives 0. Blocks that are wholly hidden cost nothing.</param>
    /// <exception cref="ArgumentException">Shapes or element types do not fit together, or not on the CPU.</exception>
    public static Tensor Full(Tensor q, Tensor k, Tensor v, Tensor? from = null, Tensor? until = null) =>
        Full(q, k, v, from, until, Simd.V512);

    /// <summary>Attention as above, by vectors of at most <paramref name="simd"/>: for tests.</summary>
    public static Tensor Full(Tensor q, Tensor k, Tensor v, Tensor? from, Tensor? until, Simd simd)
    {
        Check(q, k, v);
        if (q.shape[0] != k.shape[0])
            throw Misfit(q, k, v);
        CheckMask(k, from, until);
        return Apply(q, k, v, from, until, new(0, simd));
    }

    /// <summary>
    /// q, k, v [B, T*S, heads, d] in (time, place) order, T = <paramref name="frames"/>: the first half of the heads
    /// see their own place at all times, the rest all places of their own time, where the tokens lie.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes or element types do not fit together, or not on the CPU.</exception>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames) => Axial(q, k, v, frames, Simd.V512);

    /// <summary>Attention as above, by vectors of at most <paramref name="simd"/>: for tests.</summary>
    public static Tensor Axial(Tensor q, Tensor k, Tensor v, int frames, Simd simd)
    {
        Check(q, k, v);
        if (frames < 1 || q.shape[1] % frames != 0 || !q.shape.SequenceEqual(k.shape))
            throw new ArgumentException(
                $"attention along both axes: q is {Text(q)}, k {Text(k)}, frames {frames}; "
                    + "wanted are equal shapes and the same number of tokens in every frame"
            );
        return Apply(q, k, v, null, null, new(frames, simd));
    }

    /// <summary>What is calculated: all tokens (0 frames) or both axes, and how.</summary>
    internal sealed record Call(int Frames, Simd Simd)
    {
        /// <summary>What the function made, to be let go of once autograd has wrapped it.</summary>
        public List<Tensor> Made { get; } = [];
    }

    private static Tensor Apply(Tensor q, Tensor k, Tensor v, Tensor? from, Tensor? until, Call call)
    {
        if (is_grad_enabled() && (q.requires_grad || k.requires_grad || v.requires_grad))
            return AttentionFunction.Run(q, k, v, from, until, call);
        using var parts = new AttentionParts(q, k, v, from, until, call);
        parts.Forward();
        return parts.TakeOut();
    }

    private static void Check(Tensor q, Tensor k, Tensor v)
    {
        if (q.dim() != 4 || k.dim() != 4 || v.dim() != 4)
            throw Misfit(q, k, v);
        var (a, b) = (q.shape, k.shape);
        if (!b.SequenceEqual(v.shape) || a[2] != b[2] || a[3] != b[3] || a.Contains(0) || b.Contains(0))
            throw Misfit(q, k, v);
        if (q.dtype != k.dtype || q.dtype != v.dtype || q.dtype is not (ScalarType.Float32 or ScalarType.BFloat16))
            throw new ArgumentException(
                $"attention of {q.dtype}, {k.dtype} and {v.dtype}: " + "wanted is Float32 or BFloat16, the same for all"
            );
        if (q.device_type != DeviceType.CPU || k.device_type != DeviceType.CPU || v.device_type != DeviceType.CPU)
            throw new ArgumentException("this attention is for tensors on the CPU");
    }

    private static void CheckMask(Tensor k, Tensor? from, Tensor? until)
    {
        if (from is null && until is null)
            return;
        if (from is null || until is null)
            throw new ArgumentException("from and until come together");
        var shape = from.shape;
        var fits =
            shape.Length == 2
            && shape.SequenceEqual(until.shape)
            && shape[1] == k.shape[1]
            && (shape[0] == 1 || shape[0] == k.shape[0]);
        if (!fits || from.dtype != ScalarType.Int32 || until.dtype != ScalarType.Int32)
            throw new ArgumentException(
                $"from is {Text(from)}, until {Text(until)}; "
                    + $"wanted are [B or 1, M] of Int32 for keys of {Text(k)}"
            );
    }

    private static ArgumentException Misfit(Tensor q, Tensor k, Tensor v) =>
        new(
            $"attention of q {Text(q)}, k {Text(k)}, v {Text(v)}: "
                + "wanted are [B, N, heads, d], [B, M, heads, d] and the same, none empty"
        );

    private static string Text(Tensor t) => $"[{string.Join(", ", t.shape)}] {t.dtype}";
}
