namespace LongTake.Tests.Torch;

/// <summary>The native convolution and norm beside libtorch's own operators in float64.</summary>
[Collection(nameof(Alone))]   // thread counts belong to the whole process
public class ConvolutionTests
{
    private static Tensor Draw(Generator g, Dtype dtype, params long[] shape) => g.Normal(shape).To(dtype);

    private static double Error(Tensor exact, Tensor ours)
    {
        Assert.Equal(exact.Shape, ours.Shape);
        return (Norm(exact - ours.To(Dtype.F64)) / Norm(exact)).Scalar();
    }

    // The same, step by step, on padded and repeated copies.
    private static Tensor Slow(Tensor x, Tensor? before, Tensor weight, Tensor bias, Tensor? add, bool doubled, bool pairs)
    {
        Tensor Exact(Tensor t) => t.To(Dtype.F64);
        var all = Exact(x);
        var taps = weight.Size(2);
        if (taps > 1) all = before is null ? Pad(all, [0, 0, 0, 0, taps - 1, 0]) : Cat([Exact(before), all], 2);
        if (doubled) all = RepeatInterleave(RepeatInterleave(all, 2, 3), 2, 4);
        var border = weight.Size(3) / 2;
        var y = Conv3d(all, Exact(weight), Exact(bias), [1, 1, 1], [0, border, border]);
        var (b, c, t, h, w) = y;
        if (pairs) y = y.Reshape(b, 2, c / 2, t, h, w).Permute(0, 2, 3, 1, 4, 5).Reshape(b, c / 2, 2 * t, h, w);
        return add is null ? y : y + Exact(add);
    }

    // Batch, inner and outer channels, frames, height, width, taps, kernel; frames before, something added, doubled, pairs.
    public static TheoryData<long[], bool, bool, bool, bool> Shapes => new()
    {
        { [1, 5, 7, 1, 5, 6, 3, 3], false, false, false, false },
        { [2, 16, 48, 4, 9, 7, 3, 3], true, true, false, false },
        { [1, 40, 100, 9, 6, 6, 3, 3], true, false, false, false },
        { [1, 32, 3, 2, 8, 8, 3, 3], false, false, false, false },
        { [1, 3, 33, 19, 4, 5, 3, 3], false, true, false, false },
        { [2, 8, 4, 3, 6, 10, 1, 3], false, true, true, false },
        { [1, 24, 48, 2, 5, 5, 3, 1], true, false, false, true },
        { [1, 6, 10, 3, 4, 4, 3, 1], false, true, false, true },
        { [2, 20, 33, 2, 3, 3, 1, 1], false, true, false, false },
        { [2, 4, 8, 40, 32, 32, 3, 3], true, true, false, false },    // few channels: several groups of frames,
        { [1, 16, 15, 2, 70, 100, 3, 3], true, false, false, false }, // bands of rows,
        { [1, 8, 4, 5, 8, 17, 1, 3], false, false, true, false },
        { [2, 4, 16, 1, 1, 1, 3, 3], false, false, false, false },    // one pixel
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void ConvolutionsAreThoseOfPaddedCopies(long[] s, bool past, bool added, bool doubled, bool pairs)
    {
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var g = new Generator(1);
        foreach (var (dtype, allowed) in ((Dtype, double)[])[(Dtype.F32, 2e-6), (Dtype.BF16, 3e-3)])
        {
            var (x, weight) = (Draw(g, dtype, s[0], s[1], s[3], s[4], s[5]), Draw(g, dtype, s[2], s[1], s[6], s[7], s[7]));
            var (bias, before) = (Draw(g, dtype, s[2]), past ? Draw(g, dtype, s[0], s[1], s[6] - 1, s[4], s[5]) : null);
            var shape = Slow(x, before, weight, bias, null, doubled, pairs).Shape;
            var add = added ? Draw(g, dtype, shape) : null;
            var exact = Slow(x, before, weight, bias, add, doubled, pairs);
            foreach (var level in (string[])["plain", "avx2", "avx512"])
            {
                var error = Error(exact, Convolution.Causal(x, before, weight, bias, add, doubled, pairs, level));
                Assert.True(error <= allowed, $"{level}, {dtype}: relative error {error:g3}");
            }
        }
    }

    [Theory]
    [InlineData(100)]
    [InlineData(8)]
    public void ValuesDependNeitherOnThreadsNorOnHowFramesAreGrouped(int outer)
    {
        using var scope = new Scope();
        using var g = new Generator(2);
        var (x, weight, bias) = (Draw(g, Dtype.F32, 1, 8, 12, 9, 9), Draw(g, Dtype.F32, outer, 8, 3, 3, 3), Draw(g, Dtype.F32, outer));
        var whole = Convolution.Causal(x, null, weight, bias);
        var parts = new List<Tensor>();
        for (var t = 0; t < 12; t += 2)
            parts.Add(Convolution.Causal(Narrow(x, 2, t, 2), t == 0 ? null : Narrow(x, 2, t - 2, 2), weight, bias));
        Assert.True(Equal(whole, Cat([.. parts], 2)));
        var threads = Libtorch.Threads;
        try
        {
            Libtorch.Threads = threads == 1 ? 2 : 1;
            Assert.True(Equal(whole, Convolution.Causal(x, null, weight, bias)));
        }
        finally { Libtorch.Threads = threads; }
    }

    [Fact]
    public void AChangedWeightIsPackedAnew()
    {
        using var scope = new Scope();
        using var g = new Generator(3);
        var (x, weight, bias) = (Draw(g, Dtype.F32, 1, 4, 2, 4, 4), Draw(g, Dtype.F32, 6, 4, 3, 3, 3), Zeros([6]));
        var once = Convolution.Causal(x, null, weight, bias);
        Mul_(weight, 2);
        Assert.True(Error(once.To(Dtype.F64) * 2, Convolution.Causal(x, null, weight, bias)) < 1e-6);
    }

    [Theory]
    [InlineData(true, 21)]
    [InlineData(false, 21)]
    [InlineData(true, 7)]
    [InlineData(false, 16)]
    public void NormsArePerPixel(bool silu, int channels)
    {
        using var scope = new Scope();
        using var g = new Generator(4);
        foreach (var (dtype, allowed) in ((Dtype, double)[])[(Dtype.F32, 1e-6), (Dtype.BF16, 4e-3)])
        {
            var (x, gamma) = (Cat([Draw(g, dtype, 2, channels, 3, 4, 5) * 3, Zeros([2, channels, 1, 4, 5], dtype)], 2), Draw(g, dtype, channels, 1, 1, 1));
            var exact = x.To(Dtype.F64);
            exact = exact * Rsqrt(ClampMin(Sum(exact * exact, [1], keepdim: true), 1e-24)) * gamma.To(Dtype.F64);
            if (silu) exact = Silu(exact);
            foreach (var level in (string[])["plain", "avx2", "avx512"])
                Assert.True(Error(exact, Convolution.PixelNorm(x, gamma, silu, level)) < allowed);
        }
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = new Scope();
        var (x, weight) = (Zeros([1, 4, 2, 4, 4]), Zeros([6, 4, 3, 3, 3]));
        Assert.Throws<TorchException>(() => Convolution.Causal(x, null, Zeros([6, 5, 3, 3, 3]), Zeros([6])));
        Assert.Throws<TorchException>(() => Convolution.Causal(x, null, weight, Zeros([5])));
        Assert.Throws<TorchException>(() => Convolution.Causal(x, Zeros([1, 4, 1, 4, 4]), weight, Zeros([6])));
        Assert.Throws<TorchException>(() => Convolution.Causal(x, null, weight, Zeros([6]), add: x));
        Assert.False(Convolution.Takes(x, Zeros([1]).RequiresGrad_()));
        Assert.False(Convolution.Takes(x.To(Dtype.F64), weight));
    }
}
