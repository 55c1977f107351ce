using LongTake.Kernels;
using LongTake.Models.Text;
using LongTake.Nn;

namespace LongTake.Models.Wan;

// Activations are [batch, channels, frames, height, width] throughout. Without gradients on a CPU they lie channels
// last in memory (few channels: first) and the layers are those of Convolution; else spatial layers run as 3-D
// convolutions with a kernel of one frame, so that nothing is ever permuted. Weights are cast to the dtype of the
// activations at use.

/// <summary>A convolution that sees no later frame. The two frames before come from the cache, or are zeros.</summary>
internal sealed class CausalConv(Weights w, long inner, long outer, long time = 3, long space = 3, bool zero = false)
{
    private readonly Tensor weight = w.Parameter(
        "weight",
        [outer, inner, time, space, space],
        zero ? 0 : 1 / Math.Sqrt(inner * time * space * space)
    );
    private readonly Tensor bias = w.Parameter("bias", [outer]);
    private readonly long history = time - 1;
    private readonly long border = space / 2;
    private bool arranged;

    /// <summary>
    /// With <paramref name="pairs"/>, half of the output channels are those of a second frame; with <paramref
    /// name="add"/>, that is added.
    /// </summary>
    public Tensor Forward(Tensor x, AutoencoderCache? cache = null, bool pairs = false, Tensor? add = null)
    {
        if (!arranged && !torch.is_grad_enabled())
            Convolution.Arrange(weight);
        arranged = true;
        var before = history == 0 ? null : cache?.Frames[this];
        var all = before is null ? x : torch.cat([before, x], 2);
        if (cache is not null && history > 0)
            cache.Frames[this] = Last(all).clone();
        var y = history == 0 || before is not null ? Convolved(all, time) : FromTheFirst(all);
        if (pairs)
        {
            var (b, c, t, h, wide) = y;
            y = y.reshape(b, 2, c / 2, t, h, wide).permute(0, 2, 3, 1, 4, 5).reshape(b, c / 2, 2 * t, h, wide);
        }
        return add is null ? y : y + add;
    }

    // The first frames meet the last taps alone: nothing is multiplied by the zeros before them. Small pictures do not
    // gain by that.
    private Tensor FromTheFirst(Tensor x)
    {
        if (x.size(2) > 1 && x.size(3) * x.size(4) < 256)
            return Convolved(torch.nn.functional.pad(x, [0, 0, 0, 0, history, 0]), time);
        var parts = new List<Tensor>();
        for (var k = 1L; k < Math.Min(time, x.size(2) + 1); k++)
            parts.Add(Convolved(x.narrow(2, 0, k), k));
        if (x.size(2) >= time)
            parts.Add(Convolved(x, time));
        return parts.Count == 1 ? parts[0] : torch.cat([.. parts], 2);
    }

    private Tensor Convolved(Tensor x, long taps) =>
        Convolution.TakesColumns(x, weight)
            ? Convolution.ByColumns(
                x,
                w.Derived(weight, Convolution.Columns).narrow(3, time - taps, taps),
                bias,
                border
            )
            : Convolution.Forward(x, weight.narrow(2, time - taps, taps), bias, [1, 1, 1], [0, border, border]);

    // The frames that the next pass sees before its own; zeros stand for those before the first.
    private Tensor Last(Tensor all)
    {
        var missing = history - all.size(2);
        return missing > 0 ? torch.nn.functional.pad(all, [0, 0, 0, 0, missing, 0]) : all.narrow(2, -missing, history);
    }
}

/// <summary>A convolution within each frame.</summary>
internal sealed class FrameConv(
    Weights w,
    long inner,
    long outer,
    long size,
    long stride = 1,
    long border = 0,
    bool zero = false
)
{
    private readonly Tensor weight = w.Parameter(
        "weight",
        [outer, inner, size, size],
        zero ? 0 : 1 / Math.Sqrt(inner * size * size)
    );
    private readonly Tensor bias = w.Parameter("bias", [outer]);
    private readonly long[] strides = [1, stride, stride];
    private readonly long[] borders = [0, border, border];

    /// <summary>
    /// Of x, or (<paramref name="doubled"/>) of x with twice the height and width; with <paramref name="add"/>, that is
    /// added.
    /// </summary>
    public Tensor Forward(Tensor x, bool doubled = false, Tensor? add = null)
    {
        var kernel = weight.unsqueeze(2);
        var y =
            doubled && size == 3 && stride == 1
                ? Convolution.OfDoubled(x, kernel, bias)
                : Convolution.Forward(doubled ? Doubled(x) : x, kernel, bias, strides, borders);
        return add is null ? y : y + add;
    }

    private static Tensor Doubled(Tensor x)
    {
        var (b, c, t, h, wide) = x;
        // faster than libtorch's nearest upsampling
        var rows = torch.stack([x, x], 5).reshape(b, c, t, h, 1, 2 * wide);
        return torch.cat([rows, rows], 4).reshape(b, c, t, 2 * h, 2 * wide);
    }
}

/// <summary>
/// Scales the channels of each pixel to unit mean square, times a learned gain. The sum of squares, which accumulates
/// in float32 whatever the dtype, is far cheaper here than libtorch's norm over a dimension that is not the last.
/// </summary>
internal sealed class PixelNorm(Weights w, long dim, bool images = false)
{
    private readonly Tensor gamma = w.Parameter("gamma", images ? [dim, 1, 1] : [dim, 1, 1, 1], 0, 1);
    private readonly double scale = Math.Sqrt(dim);

    public Tensor Forward(Tensor x) => Takes(x) ? PixelNormKernel.Forward(x, gamma * scale, silu: false) : Composed(x);

    /// <summary>
    /// Norm, then SiLU; in bfloat16 on a CPU its two factors take less than half the time of libtorch's own.
    /// </summary>
    public Tensor Activated(Tensor x)
    {
        if (Takes(x))
            return PixelNormKernel.Forward(x, gamma * scale, silu: true);
        var y = Composed(x);
        return y.dtype == ScalarType.BFloat16 && y.device_type == DeviceType.CPU ? y * y.sigmoid() : y.silu();
    }

    // The kernel has no gradient.
    private bool Takes(Tensor x) =>
        KernelSwitch.Takes(x) && !(torch.is_grad_enabled() && (x.requires_grad || gamma.requires_grad));

    private Tensor Composed(Tensor x) =>
        x * (x * x).sum([1], keepdim: true).clamp_min(1e-24).rsqrt() * (gamma.reshape(-1, 1, 1, 1) * scale).to(x.dtype);
}

/// <summary>Norm, SiLU, convolution, twice, around a shortcut.</summary>
internal sealed class VaeBlock(Weights w, long inner, long outer)
{
    private readonly PixelNorm norm1 = new(w / "residual" / 0, inner);
    private readonly CausalConv conv1 = new(w / "residual" / 2, inner, outer);
    private readonly PixelNorm norm2 = new(w / "residual" / 3, outer);
    private readonly CausalConv conv2 = new(w / "residual" / 6, outer, outer);
    private readonly CausalConv? shortcut = inner == outer ? null : new(w / "shortcut", inner, outer, 1, 1);

    public Tensor Forward(Tensor x, AutoencoderCache? cache)
    {
        using var scope = torch.NewDisposeScope();
        var h = Step(conv1, norm1.Activated(x), null);
        var g = norm2.Activated(h);
        h.Dispose();
        return Step(conv2, g, shortcut?.Forward(x) ?? x).MoveToOuterDisposeScope();

        // Freed as soon as may be (a graph, if there is one, holds what it needs): the next one then finds warm memory.
        Tensor Step(CausalConv conv, Tensor activated, Tensor? add)
        {
            var y = conv.Forward(activated, cache, add: add);
            activated.Dispose();
            return y;
        }
    }
}

/// <summary>Single-head self-attention among the pixels of each frame.</summary>
internal sealed class FrameAttention(Weights w, long dim)
{
    private readonly PixelNorm norm = new(w / "norm", dim, images: true);
    private readonly FrameConv qkv = new(w / "to_qkv", dim, 3 * dim, 1);
    private readonly FrameConv proj = new(w / "proj", dim, dim, 1, zero: true);

    public Tensor Forward(Tensor x)
    {
        using var scope = torch.NewDisposeScope();
        var (b, c, t, h, wide) = x;
        var all = qkv.Forward(norm.Forward(x)).permute(0, 2, 3, 4, 1).reshape(b * t, h * wide, 1, 3 * c);
        var seen = Attention.Full(all.narrow(3, 0, c), all.narrow(3, c, c), all.narrow(3, 2 * c, c));
        return proj.Forward(seen.reshape(b, t, h, wide, c).permute(0, 4, 1, 2, 3), add: x).MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Halves height and width, and the frames if temporal; the first frame of a video has no partner and passes unchanged.
/// </summary>
internal sealed class Downsample(Weights w, long dim, bool temporal)
{
    private readonly FrameConv conv = new(w / "resample" / 1, dim, dim, 3, stride: 2);
    private readonly Tensor? weight = temporal
        ? (w / "time_conv").Parameter("weight", [dim, dim, 3, 1, 1], 1 / Math.Sqrt(3 * dim))
        : null;
    private readonly Tensor? bias = temporal ? (w / "time_conv").Parameter("bias", [dim]) : null;

    public Tensor Forward(Tensor x, AutoencoderCache? cache)
    {
        using var scope = torch.NewDisposeScope();
        var y = conv.Forward(torch.nn.functional.pad(x, [0, 1, 0, 1]));
        return (weight is null ? y : Halved(y, cache)).MoveToOuterDisposeScope();
    }

    // Output frame k > 0 sees the frames 2k-2, 2k-1, 2k.
    private Tensor Halved(Tensor y, AutoencoderCache? cache)
    {
        var before = cache?.Frames[this];
        var all = before is null ? y : torch.cat([before, y], 2);
        if (cache is not null)
            cache.Frames[this] = y.narrow(2, y.size(2) - 1, 1).clone();
        if (all.size(2) == 1)
            return y;
        var pairs = Convolution.Forward(all, weight!, bias, [2, 1, 1], [0, 0, 0]);
        return before is null ? torch.cat([y.narrow(2, 0, 1), pairs], 2) : pairs;
    }
}

/// <summary>
/// Doubles height and width and halves the channels; doubles the frames if temporal, except the first of a video, which
/// the temporal convolution neither changes nor sees.
/// </summary>
internal sealed class Upsample(Weights w, long dim, bool temporal)
{
    private readonly FrameConv conv = new(w / "resample" / 1, dim, dim / 2, 3, border: 1);
    private readonly CausalConv? timeConv = temporal ? new(w / "time_conv", dim, 2 * dim, 3, 1) : null;

    public Tensor Forward(Tensor x, AutoencoderCache? cache)
    {
        using var scope = torch.NewDisposeScope();
        return conv.Forward(timeConv is null ? x : Doubled(x, cache), doubled: true).MoveToOuterDisposeScope();
    }

    private Tensor Doubled(Tensor x, AutoencoderCache? cache)
    {
        var (t, single) = (x.size(2), cache is null || cache.First ? 1 : 0);
        if (t == single)
            return x;
        var pairs = timeConv!.Forward(x.narrow(2, single, t - single), cache, pairs: true);
        return single == 0 ? pairs : torch.cat([x.narrow(2, 0, 1), pairs], 2);
    }
}
