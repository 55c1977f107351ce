using System.Diagnostics;
using LongTake.Nn;

namespace LongTake.Tests.Nn;

/// <summary>The native kernel beside the product over blocks of queries in float64.</summary>
[Collection(nameof(Alone))]   // thread counts and peak memory belong to the whole process
public class AttentionKernelTests
{
    // Relative errors (2-norms) of results and gradients: a few roundings of 2^-9, or of 2^-24 over some hundred terms.
    private static double Allowed(Dtype dtype) => dtype == Dtype.BF16 ? 8e-3 : 3e-6;

    private static Tensor[] Inputs(int seed, long b, long n, long m, long heads, long d, Dtype dtype)
    {
        using var g = new Generator(seed);
        return [(g.Normal(b, n, heads, d) * 2).To(dtype), g.Normal(b, m, heads, d).To(dtype), g.Normal(b, m, heads, d).To(dtype), g.Normal(b, n, heads, d).To(dtype)];
    }

    // Value and the gradients of q, k and v; inputs holds q, k, v and the gradient of the value.
    private static Tensor[] Run(Func<Tensor, Tensor, Tensor, Tensor> attention, Tensor[] inputs, Func<Tensor, Tensor>? view = null)
    {
        var leaves = inputs[..3].Select(x => x.Detach().Clone().RequiresGrad_()).ToArray();
        var seen = leaves.Select(x => view is null ? x : view(x)).ToArray();
        var value = attention(seen[0], seen[1], seen[2]);
        Sum(value * inputs[3]).Backward();
        return [value.Detach(), .. leaves.Select(x => x.Grad!)];
    }

    private static void Near(Tensor[] inputs, AttentionMask? mask = null, string instructions = "avx512", bool? pairs = null)
    {
        var exact = Run((q, k, v) => Attention.InBlocks(q, k, v, 1 << 22, mask), [.. inputs.Select(x => x.To(Dtype.F64))]);
        var ours = Run((q, k, v) => Attention.Kernel(q, k, v, mask, instructions, pairs), inputs);
        foreach (var (e, o, name) in exact.Zip(ours, (string[])["value", "dq", "dk", "dv"]))
        {
            Assert.Equal(inputs[0].Dtype, o.Dtype);
            var error = (Norm(e - o.To(Dtype.F64)) / Norm(e)).Scalar();
            Assert.True(error <= Allowed(inputs[0].Dtype), $"{name} of {instructions}, {inputs[0].Dtype}, pairs {pairs}: relative error {error:g3}");
        }
    }

    public static TheoryData<long, long, long, long, long> Shapes => new()
    {
        { 1, 7, 10, 3, 4 }, { 2, 100, 300, 2, 24 }, { 1, 300, 97, 1, 7 }, { 2, 145, 145, 3, 8 }, { 1, 48, 24, 1, 12 },
        { 1, 289, 290, 2, 128 }, { 1, 97, 145, 1, 96 }, { 1, 500, 77, 6, 64 }, { 1, 1, 200, 2, 32 },
        { 3, 8, 8, 2, 48 }, { 2, 21, 21, 3, 48 }, { 1, 1001, 32, 2, 20 }, { 2, 50, 2, 1, 128 }, { 1, 3, 30, 1, 7 },   // few keys have a path of their own
    };

    [Theory, MemberData(nameof(Shapes))]
    public void ValuesAndGradientsAreThoseOfFloat64(long b, long n, long m, long heads, long d)
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
            foreach (var instructions in (string[])["plain", "avx2", "avx512"])
                foreach (var pairs in (bool[])[false, true])
                    Near(Inputs(1, b, n, m, heads, d, dtype), null, instructions, pairs);
    }

    [Theory]
    [InlineData(400, 400, 20, int.MaxValue, 0)]
    [InlineData(400, 400, 16, 3, 2)]   // a window and sinks: blocks between them are skipped
    [InlineData(64, 400, 16, 4, 1)]   // a chunk after cached keys
    [InlineData(130, 130, 1, int.MaxValue, 0)]   // causal by token
    public void AWindowWithSinksIsThatOfTheWrittenOutMask(long n, long m, int tokens, int window, int sinks)
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
            foreach (var pairs in (bool[])[false, true])
                Near(Inputs(2, 1, n, m, 2, 64, dtype), AttentionMask.BlockCausal(n, m, tokens, window, sinks), pairs: pairs);
    }

    [Theory]
    [InlineData(2, 7, 4, 4, 48)]
    [InlineData(1, 50, 8, 3, 16)]
    [InlineData(2, 5, 40, 2, 24)]
    public void BothAxesAreTheAttentionOfTheirParts(long b, long frames, long places, long heads, long d)
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
            foreach (var instructions in (string[])["plain", "avx2", "avx512"])
            {
                var inputs = Inputs(10, b, frames * places, frames * places, heads, d, dtype);
                var exact = Run((q, k, v) => Attention.Axial(q, k, v, (int)frames, (int)frames, (x, y, z) => Attention.Full(x, y, z)),
                    [.. inputs.Select(x => x.To(Dtype.F64))]);
                var ours = Run((q, k, v) => Attention.AxialKernel(q, k, v, (int)frames, instructions), inputs);
                foreach (var (e, o) in exact.Zip(ours))
                    Assert.InRange((Norm(e - o.To(Dtype.F64)) / Norm(e)).Scalar(), 0, Allowed(dtype));
            }
    }

    [Fact]
    public void HiddenKeysAreThoseOfTheRule()
    {
        using var scope = new Scope();
        var (n, m, tokens, window, sinks) = (12, 20, 4, 2, 1);
        var hidden = AttentionMask.BlockCausal(n, m, tokens, window, sinks).Hidden(0, n).Reshape(n, m).To(Dtype.F32);
        for (var i = 0; i < n; i++)
            for (var j = 0; j < m; j++)
            {
                var (query, key) = ((m - n + i) / tokens, j / tokens);
                var sees = key <= query && (key > query - window || key < sinks);
                Assert.Equal(sees ? 0 : 1, hidden[i][j].Scalar());
            }
    }

    [Fact]
    public void SamplesOfDifferentLengthsSeeTheirOwnKeysAndNoneGivesZero()
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
        {
            var mask = AttentionMask.Lengths([200, 33, 0], 200);
            Near(Inputs(3, 3, 150, 200, 2, 64, dtype), mask);
            var inputs = Inputs(4, 3, 150, 200, 2, 64, dtype);
            Assert.Equal(0, Max(Abs(Attention.Kernel(inputs[0], inputs[1], inputs[2], mask)[2])).Scalar());
        }
    }

    [Fact]
    public void ViewsGiveTheBytesOfCopies()
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
        {
            var inputs = Inputs(5, 2, 150, 150, 3, 64, dtype);
            var plain = Run((q, k, v) => Attention.Kernel(q, k, v), inputs);
            foreach (var view in (Func<Tensor, Tensor>[])[
                x => x.Transpose(1, 2).Contiguous().Transpose(1, 2),   // heads before tokens
                x => x.Transpose(1, 3).Contiguous().Transpose(1, 3),   // the features not contiguous
                x => Select(Stack([x, x * 0, x], 2), 2, 2)])   // a slice of q, k and v in one tensor
            {
                var other = Run((q, k, v) => Attention.Kernel(q, k, v), inputs, view);
                foreach (var (a, b) in plain.Zip(other)) Assert.True(Equal(a, b));
            }
        }
    }

    [Fact]
    public void OneThreadAndTwoGiveTheSameBytes()
    {
        using var scope = new Scope();
        var before = Libtorch.Threads;
        try
        {
            foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
                foreach (var keys in (long[])[900, 30])
                {
                    var inputs = Inputs(6, 1, 700, keys, 3, 64, dtype);
                    var runs = ((int[])[1, 2]).Select(threads =>
                    {
                        Libtorch.Threads = threads;
                        return Run((q, k, v) => Attention.Kernel(q, k, v), inputs);
                    }).ToArray();
                    foreach (var (a, b) in runs[0].Zip(runs[1])) Assert.True(Equal(a, b));
                }
        }
        finally
        {
            Libtorch.Threads = before;
        }
    }

    [Fact]
    public void ManyTokensNeedNoSquareOfMemory()
    {
        using var scope = new Scope();
        const long tokens = 16_000;   // the scores alone would be 1 GB in float32
        var inputs = Inputs(7, 1, tokens, tokens, 1, 32, Dtype.BF16);
        using var before = Process.GetCurrentProcess();
        var peak = before.PeakWorkingSet64;
        Run((q, k, v) => Attention.Kernel(q, k, v), inputs);
        using var after = Process.GetCurrentProcess();
        Assert.InRange(after.PeakWorkingSet64 - peak, 0, 200L << 20);
    }

    [Fact]
    public void NotANumberIsNotHidden()
    {
        using var scope = new Scope();
        foreach (var dtype in (Dtype[])[Dtype.F32, Dtype.BF16])
            for (var which = 0; which < 3; which++)
            {
                var inputs = Inputs(8, 1, 50, 60, 1, 32, dtype);
                Mul_(Narrow(inputs[which], 1, 3, 1), double.NaN);
                var value = Attention.Kernel(inputs[0], inputs[1], inputs[2]);
                Assert.False(AllFinite(which == 0 ? value[0][3] : value[0][40]));
            }
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = new Scope();
        var x = Inputs(9, 1, 8, 8, 2, 8, Dtype.F32);
        Assert.Contains("wanted are", Assert.Throws<TorchException>(() => Attention.Kernel(x[0], x[1], Narrow(x[2], 1, 0, 4))).Message);
        Assert.Contains("BFloat16", Assert.Throws<TorchException>(() => Attention.Kernel(x[0].To(Dtype.F64), x[1], x[2])).Message);
        Assert.Contains("9 keys", Assert.Throws<UserException>(() => Attention.Full(x[0], x[1], x[2], AttentionMask.BlockCausal(8, 9, 4))).Message);
        Assert.Contains("keys long", Assert.Throws<UserException>(() => AttentionMask.Lengths([9], 8)).Message);
        Assert.Contains("at least as many keys", Assert.Throws<UserException>(() => AttentionMask.BlockCausal(9, 8, 4)).Message);
    }
}
