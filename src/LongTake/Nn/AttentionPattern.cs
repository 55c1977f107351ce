namespace LongTake.Nn;

/// <summary>
/// Which tokens of a video attend to which, and the rotary positions that go with it. Tokens are in (time, height,
/// width) order; queries, keys and values are [B, N, heads, headDim].
/// </summary>
public abstract class AttentionPattern(int heads, int headDim)
{
    /// <summary>Every token attends to every token; all heads share one table (Wan).</summary>
    public static AttentionPattern Full(int heads, int headDim) => new FullPattern(heads, headDim);

    /// <summary>
    /// The first half of the heads attend along time at their own pixel, the others within their own frame.
    /// </summary>
    public static AttentionPattern Axial(int heads, int headDim) => new AxialPattern(heads, headDim);

    private ((int T, int H, int W) Size, float[] Cos, float[] Sin) latest;

    /// <summary>
    /// Cosines and sines of frames 0 to <paramref name="frames"/>, to be used at every step of a video.
    /// </summary>
    public (Tensor Cos, Tensor Sin) Table(int frames, int height, int width, torch.Device device)
    {
        if (latest.Size != (frames, height, width))
        {
            var (cos, sin) = Angles([.. Enumerable.Range(0, frames)], height, width);
            latest = ((frames, height, width), cos, sin);
        }
        return Tensors(latest.Cos, latest.Sin, frames * height * width, device);
    }

    /// <summary>Cosines and sines of frames at any times, [1, N, 1 or heads, headDim / 2].</summary>
    public (Tensor Cos, Tensor Sin) Table(IReadOnlyList<int> times, int height, int width, torch.Device device)
    {
        var (cos, sin) = Angles(times, height, width);
        return Tensors(cos, sin, times.Count * height * width, device);
    }

    /// <summary>Attention among the tokens of <paramref name="frames"/> frames.</summary>
    public abstract Tensor Attend(Tensor q, Tensor k, Tensor v, int frames);

    /// <summary>
    /// Attention of the last <paramref name="frames"/> of <paramref name="keyFrames"/> frames, whose keys were cached.
    /// </summary>
    public abstract Tensor AttendCached(Tensor q, Tensor k, Tensor v, int frames, int keyFrames);

    /// <summary>
    /// Attention where frames see each other by a mask; <paramref name="mask"/> makes it for so many tokens a frame.
    /// </summary>
    public abstract Tensor AttendMasked(Tensor q, Tensor k, Tensor v, int frames, Func<long, AttentionMask> mask);

    /// <summary>The calls of attention in one layer: sequences, heads, tokens of a sequence.</summary>
    public abstract IReadOnlyList<(double Sequences, double Heads, double Tokens)> Calls(
        double batch,
        double frames,
        double tokens
    );

    /// <summary>Heads that a table of positions has: all of them, or one for all.</summary>
    public abstract int TableHeads { get; }

    protected abstract (float[] Cos, float[] Sin) Angles(IReadOnlyList<int> times, int height, int width);

    protected int Heads => heads;

    protected int HeadDim => headDim;

    private (Tensor Cos, Tensor Sin) Tensors(float[] cos, float[] sin, int tokens, torch.Device device)
    {
        long[] shape = [1, tokens, TableHeads, headDim / 2];
        return (Tensor.From<float>(cos, shape).to(device), Tensor.From<float>(sin, shape).to(device));
    }

    private sealed class FullPattern(int heads, int headDim) : AttentionPattern(heads, headDim)
    {
        public override int TableHeads => 1;

        public override IReadOnlyList<(double Sequences, double Heads, double Tokens)> Calls(
            double batch,
            double frames,
            double tokens
        ) => [(batch, Heads, frames * tokens)];

        protected override (float[] Cos, float[] Sin) Angles(IReadOnlyList<int> times, int height, int width) =>
            Rotary.Table(HeadDim, times, height, width);

        public override Tensor Attend(Tensor q, Tensor k, Tensor v, int frames) => Attention.Full(q, k, v);

        public override Tensor AttendCached(Tensor q, Tensor k, Tensor v, int frames, int keyFrames) =>
            Attention.Full(q, k, v);

        public override Tensor AttendMasked(Tensor q, Tensor k, Tensor v, int frames, Func<long, AttentionMask> mask) =>
            Attention.Full(q, k, v, mask(q.size(1) / frames));
    }

    private sealed class AxialPattern(int heads, int headDim) : AttentionPattern(heads, headDim)
    {
        public override int TableHeads => Heads;

        public override IReadOnlyList<(double Sequences, double Heads, double Tokens)> Calls(
            double batch,
            double frames,
            double tokens
        ) => [(batch * tokens, Math.Max(1, Heads / 2), frames), (batch * frames, Heads - Heads / 2, tokens)];

        protected override (float[] Cos, float[] Sin) Angles(IReadOnlyList<int> times, int height, int width) =>
            Rotary.AxialTable(Heads, HeadDim, times, height, width);

        public override Tensor Attend(Tensor q, Tensor k, Tensor v, int frames) => Attention.Axial(q, k, v, frames);

        public override Tensor AttendCached(Tensor q, Tensor k, Tensor v, int frames, int keyFrames) =>
            Attention.Axial(q, k, v, frames, keyFrames, (x, y, z) => Attention.Full(x, y, z));

        // Heads along time see one token a frame; the others stay in their own frame, which no mask forbids.
        public override Tensor AttendMasked(Tensor q, Tensor k, Tensor v, int frames, Func<long, AttentionMask> mask) =>
            Attention.Axial(q, k, v, frames, frames, (x, y, z) => Attention.Full(x, y, z, mask(1)));
    }
}
