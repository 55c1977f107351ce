namespace LongTake.Nn;

/// <summary>
/// Convolutions of video on every device. On a CPU libtorch 2.10 (oneDNN) gives wrong numbers, and NaN, without a word,
/// where the channels are not last in memory: seen with AVX-512 for many numbers of channels, strides and batches, in
/// float32 and bfloat16, forward and backward. So here the channels are last; a convolution that is differentiated is a
/// sum of matrix products; and the process tries a few convolutions against such sums before it trusts the first.
/// </summary>
public static class Convolution
{
    private static readonly Lazy<bool> trusted = new(Right);

    /// <summary>
    /// True where libtorch's own convolutions were tried and are right; else they are made of matrix products, which is
    /// slower.
    /// </summary>
    public static bool Trusted => trusted.Value;

    /// <summary>
    /// x [B, C, T, H, W] with weight [outputs, C, t, h, w] and bias [outputs], cast to the type of x. Strides and zero
    /// padding are in time, height, width. On a CPU the result's channels are last in memory.
    /// </summary>
    public static Tensor Forward(Tensor x, Tensor weight, Tensor? bias, long[] strides, long[] padding)
    {
        var plain = x.device_type != DeviceType.CPU;
        if (!plain && (Graph(x, weight) || Degenerate(weight) || !trusted.Value))
            return ByTaps(x, weight, bias, strides, padding);
        using var scope = torch.NewDisposeScope();
        var (w, b) = (weight.to(x.dtype), bias?.to(x.dtype));
        var y = plain
            ? torch.nn.functional.conv3d(x, w, b, strides, padding)
            : torch.nn.functional.conv3d(ChannelsLast(x), ChannelsLast(w), b, strides, padding);
        return y.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// True where <see cref="ByColumns"/> is the faster way: many channels, an even width, three taps across, no
    /// gradient, a CPU whose convolutions are right.
    /// </summary>
    public static bool TakesColumns(Tensor x, Tensor weight) =>
        x.device_type == DeviceType.CPU
        && !Graph(x, weight)
        && !weight.requires_grad
        && weight.size(4) == 3
        && weight.size(1) >= 64
        && weight.size(0) >= 64
        && x.size(4) % 2 == 0
        && trusted.Value;

    /// <summary>
    /// The four kernels of <see cref="ByColumns"/>, [4, outputs, C, t, h, 1], of a weight [outputs, C, t, h, 3].
    /// </summary>
    public static Tensor Columns(Tensor weight)
    {
        using var scope = torch.NewDisposeScope();
        var g = weight.to(ScalarType.Float32).split(1, 4);
        var (even, odd) = ((g[0] + g[2]) / 2, g[1] / 2);
        return torch
            .stack([
                .. new[] { g[0], even + odd, even - odd, g[2] }.Select(k =>
                    ChannelsLast(k.to(weight.dtype)).movedim([1], [4])
                ),
            ])
            .movedim([5], [2])
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The convolution of stride 1, <paramref name="border"/> zeros above and below each frame and one on its left and
    /// right, by Winograd's F(2, 3) along the width: two columns take four products of columns instead of six (arXiv
    /// 1509.09308). x [B, C, T, H, W], W even; <paramref name="columns"/> of <see cref="Columns"/>. In bfloat16 its
    /// error is about twice that of the direct sum.
    /// </summary>
    public static Tensor ByColumns(Tensor x, Tensor columns, Tensor? bias, long border)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.nn.functional.pad(ChannelsLast(x).permute(0, 2, 3, 4, 1), [0, 0, 1, 1]);
        var wide = x.size(4);
        var (first, sum, difference, last) = (
            Product(0, At(0) - At(2)),
            Product(1, At(1) + At(2), bias),
            Product(2, At(2) - At(1)),
            Product(3, At(1) - At(3))
        );
        var even = first.add_(sum).add_(difference);
        var odd = sum.sub_(difference).sub_(last);
        var (b, t, h, _, outputs) = even;
        return torch
            .stack([even, odd], 4)
            .reshape(b, t, h, wide, outputs)
            .permute(0, 4, 1, 2, 3)
            .MoveToOuterDisposeScope();

        Tensor At(long column) => rows.slice(3, column, column + wide - 1, 2);

        Tensor Product(int k, Tensor seen, Tensor? shift = null) =>
            Forward(seen.permute(0, 4, 1, 2, 3), columns.select(0, k), shift, [1, 1, 1], [0, border, 0])
                .permute(0, 2, 3, 4, 1);
    }

    /// <summary>
    /// The 3 x 3 convolution, zeros around, of each frame of x [B, C, T, H, W] with every pixel doubled in height and
    /// width; weight [outputs, C, 1, 3, 3]. A pixel of the doubled picture has an even or odd row and column, and in
    /// each of the four cases the nine weights meet four pixels: one 2 x 2 convolution of the small picture, with 4/9
    /// of the multiplications.
    /// </summary>
    public static Tensor OfDoubled(Tensor x, Tensor weight, Tensor bias)
    {
        using var scope = torch.NewDisposeScope();
        Tensor[] rows = [Half(weight, 3, 0), Half(weight, 3, 1)];
        var phases = torch.cat([.. rows.SelectMany(row => (Tensor[])[Half(row, 4, 0), Half(row, 4, 1)])]);
        var y = Forward(x, phases, bias.repeat(4), [1, 1, 1], [0, 1, 1]).permute(0, 2, 3, 4, 1);
        var (b, t, h, w, outputs) = (x.size(0), x.size(2), x.size(3), x.size(4), weight.size(0));
        Tensor Phase(int row, int column) =>
            y.narrow(2, row, h).narrow(3, column, w).narrow(4, (2 * row + column) * outputs, outputs);
        var lines = new[] { 0, 1 }.Select(row => torch.stack([Phase(row, 0), Phase(row, 1)], 4)).ToArray();
        return torch
            .stack(lines, 3)
            .reshape(b, t, 2 * h, 2 * w, outputs)
            .permute(0, 4, 1, 2, 3)
            .MoveToOuterDisposeScope();

        static Tensor Half(Tensor w, int dim, int odd)
        {
            var (first, middle, last) = (w.select(dim, 0), w.select(dim, 1), w.select(dim, 2));
            return odd == 0 ? torch.stack([first, middle + last], dim) : torch.stack([first + middle, last], dim);
        }
    }

    /// <summary>x [B, C, ...] with its channels last in memory.</summary>
    public static Tensor ChannelsLast(Tensor x)
    {
        using var last = x.movedim([1], [x.dim() - 1]);
        using var lies = last.contiguous();
        return lies.movedim([x.dim() - 1], [1]);
    }

    /// <summary>
    /// Puts a weight's channels last in memory, once and in its place, where it is not trained and not on another
    /// device: each convolution would turn them otherwise.
    /// </summary>
    public static void Arrange(Tensor weight)
    {
        if (weight.device_type != DeviceType.CPU || weight.requires_grad || weight.stride(0) == 0)
            return;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        weight.set_(ChannelsLast(weight));
    }

    private static bool Graph(Tensor x, Tensor weight) =>
        torch.is_grad_enabled() && (x.requires_grad || weight.requires_grad);

    // A weight of one tap, or of one channel, lies in memory as channels first and channels last at once, and libtorch
    // takes it for the former.
    private static bool Degenerate(Tensor weight) =>
        weight.size(1) == 1 || weight.size(2) * weight.size(3) * weight.size(4) == 1;

    // Batches and channels that were seen to go wrong where channels are first.
    private static bool Right()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var random = new torch.Generator(1);
        foreach (
            var (inputs, outputs, type) in new[]
            {
                (24, 20, ScalarType.Float32),
                (3, 36, ScalarType.BFloat16),
                (17, 3, ScalarType.BFloat16),
            }
        )
        {
            var x = torch.randn([2, inputs, 3, 9, 9], generator: random).to(type);
            var w = torch.randn([outputs, inputs, 3, 3, 3], generator: random).to(type);
            var y = torch
                .nn.functional.conv3d(ChannelsLast(x), ChannelsLast(w), null, [1, 2, 2], [0, 1, 1])
                .to(ScalarType.Float32);
            var slow = ByTaps(x.to(ScalarType.Float32), w.to(ScalarType.Float32), null, [1, 2, 2], [0, 1, 1]);
            if (!((y - slow).norm().ToDouble() <= 0.02 * slow.norm().ToDouble()))
                return false;
        }
        return true;
    }

    // A product for each tap of the kernel: what a graph has to keep does not grow with the kernel.
    private static Tensor ByTaps(Tensor x, Tensor weight, Tensor? bias, long[] strides, long[] padding)
    {
        using var scope = torch.NewDisposeScope();
        var padded = padding.All(p => p == 0)
            ? x
            : torch.nn.functional.pad(x, [padding[2], padding[2], padding[1], padding[1], padding[0], padding[0]]);
        var rows = padded.permute(0, 2, 3, 4, 1).contiguous();
        var size = Sizes(rows, weight, strides);
        // 27 sums in bfloat16 would lose a digit
        var sumType = x.dtype == ScalarType.BFloat16 ? ScalarType.Float32 : x.dtype;
        Tensor? sum = null;
        for (var t = 0; t < weight.size(2); t++)
        for (var i = 0; i < weight.size(3); i++)
        for (var j = 0; j < weight.size(4); j++)
        {
            var seen = Every(Every(Every(rows, 1, t, size[0]), 2, i, size[1]), 3, j, size[2]);
            var product = Products.Linear(seen, weight.select(4, j).select(3, i).select(2, t), null).to(sumType);
            sum = sum is null ? product : sum + product;
        }
        var y = bias is null ? sum! : sum! + bias.to(sumType);
        return y.to(x.dtype).permute(0, 4, 1, 2, 3).MoveToOuterDisposeScope();

        Tensor Every(Tensor from, int dim, long first, long count) =>
            from.slice(dim, first, first + (count - 1) * strides[dim - 1] + 1, strides[dim - 1]);
    }

    private static long[] Sizes(Tensor rows, Tensor weight, long[] strides) =>
        [.. Enumerable.Range(0, 3).Select(d => (rows.size(d + 1) - weight.size(d + 2)) / strides[d] + 1)];

    /// <summary>
    /// The convolution whose strides are the size of its kernel, which is a linear layer of patches: x [B, C, T, H, W]
    /// with weight [D, C, pt, ph, pw] and bias [D] -> [B, T/pt, S, D], S the patches of a frame in reading order.
    /// </summary>
    public static Tensor OfPatches(Tensor x, Tensor weight, Tensor? bias)
    {
        var patches = Patches(x, weight.size(2), weight.size(3), weight.size(4));
        return Products.Linear(patches, weight.reshape(weight.size(0), -1), bias);
    }

    /// <summary>
    /// x [B, C, T, H, W] -> [B, T/pt, S, C pt ph pw]: the numbers of each patch in the order of a convolution's weight.
    /// </summary>
    public static Tensor Patches(Tensor x, long pt, long ph, long pw)
    {
        var (b, channels, t, h, w) = x;
        return x.reshape([b, channels, t / pt, pt, h / ph, ph, w / pw, pw])
            .permute(0, 2, 4, 6, 1, 3, 5, 7)
            .reshape(b, t / pt, h / ph * (w / pw), channels * pt * ph * pw);
    }
}
