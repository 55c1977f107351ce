using LongTake.Nn;

namespace LongTake.Tests.Nn;

/// <summary>One pass over memory against the composition of libtorch's operators: values and every gradient.</summary>
[Collection(nameof(Alone))]   // one of them sets the thread count of the process
public class ElementwiseTests
{
    private const int B = 2, T = 3, S = 5, D = 48;

    /// <summary>Both on the same leaves, pulled by the same random gradient; bfloat16 may round at other places.</summary>
    private static void Same(Dtype dtype, Func<Tensor[], Tensor> fused, Func<Tensor[], Tensor> slow, params Tensor[] inputs)
    {
        using var g = new Generator(9);
        (Tensor Out, Tensor[] Gradients) Run(Func<Tensor[], Tensor> f)
        {
            Tensor[] leaves = [.. inputs.Select(t => t.Detach().Clone().RequiresGrad_())];
            var y = f(leaves);
            Assert.Equal(dtype, y.Dtype);
            using var pull = new Generator(5);
            (y * pull.Normal(y.Shape).To(y.Dtype)).Backward(Ones(y.Shape, y.Dtype));
            return (y.Detach(), [.. leaves.Select(l => l.Grad!)]);
        }
        var (a, b) = (Run(slow), Run(fused));
        void Close(Tensor expected, Tensor actual)
        {
            Assert.Equal(expected.Dtype, actual.Dtype);
            var scale = Math.Max(1, Max(Abs(expected.To(Dtype.F32))).Scalar());
            Near.Equal(expected, actual, inputs.Any(t => t.Dtype == Dtype.BF16) || dtype == Dtype.BF16 ? 0.02 * scale : 2e-6 * scale);
        }
        Close(a.Out, b.Out);
        foreach (var (expected, actual) in a.Gradients.Zip(b.Gradients)) Close(expected, actual);
    }

    private static Tensor Random(int seed, params ReadOnlySpan<long> shape)
    {
        using var g = new Generator(seed);
        return g.Normal(shape);
    }

    [Theory]
    [InlineData(Dtype.F32, 1)]
    [InlineData(Dtype.F32, T)]
    [InlineData(Dtype.BF16, 1)]
    [InlineData(Dtype.BF16, T)]
    public void ModulatedLayerNorm(Dtype to, int frames)
    {
        using var scope = new Scope();
        Same(to, t => Elementwise.LayerNorm(t[0], t[1], t[2], 1, 1e-6, to), t => Elementwise.Composed.LayerNorm(t[0], t[1], t[2], 1, 1e-6, to),
            Random(1, B, T, S, D) * 3 + 1, Random(2, B, frames, 1, D), Random(3, B, frames, 1, D));
    }

    [Theory]
    [InlineData(Dtype.F32)]
    [InlineData(Dtype.BF16)]
    public void AffineLayerNormOverManyStretches(Dtype to)
    {
        using var scope = new Scope();
        Same(to, t => Elementwise.LayerNorm(t[0], t[1], t[2], 0, 1e-6, to), t => Elementwise.Composed.LayerNorm(t[0], t[1], t[2], 0, 1e-6, to),
            Random(1, 2, 10, 16, D), Random(2, D), Random(3, D));
    }

    [Theory]
    [InlineData(Dtype.F32, 0)]
    [InlineData(Dtype.F32, 1)]
    [InlineData(Dtype.F32, 2)]
    [InlineData(Dtype.BF16, 0)]
    [InlineData(Dtype.BF16, 1)]
    [InlineData(Dtype.BF16, 2)]
    public void RmsNormAndRotary(Dtype dtype, int tables)
    {
        using var scope = new Scope();
        var (cosines, sines) = tables == 2 ? Rotary.AxialTable(2, D / 2, T, S, 1) : Rotary.Table(D / 2, T, S, 1);
        long[] shape = [1, T * S, tables, D / 4];
        var (cos, sin) = tables > 0 ? (Tensor.From<float>(cosines, shape), Tensor.From<float>(sines, shape)) : ((Tensor?)null, (Tensor?)null);
        Same(dtype, t => Elementwise.RmsNorm(t[0], t[1], cos, sin, 1e-6), t => Elementwise.Composed.RmsNorm(t[0], t[1], cos, sin, 1e-6),
            Random(1, B, T * S, D).To(dtype), Random(2, D) * 0.3 + 1);
    }

    [Theory]
    [InlineData(Dtype.F32, 1, true)]
    [InlineData(Dtype.F32, T, true)]
    [InlineData(Dtype.F32, 1, false)]
    [InlineData(Dtype.BF16, 1, true)]
    [InlineData(Dtype.BF16, T, true)]
    [InlineData(Dtype.BF16, 1, false)]
    public void GatedResidual(Dtype dtype, int frames, bool gated)
    {
        using var scope = new Scope();
        Tensor[] gate = gated ? [Random(3, B, frames, 1, D)] : [];
        Same(Dtype.F32, t => Elementwise.GatedAdd(t[0], t[1], gated ? t[2] : null), t => Elementwise.Composed.GatedAdd(t[0], t[1], gated ? t[2] : null),
            [Random(1, B, T, S, D), Random(2, B, T, S, D).To(dtype), .. gate]);
    }

    [Theory]
    [InlineData(Dtype.F32)]
    [InlineData(Dtype.BF16)]
    public void GeluOverItsWholeRange(Dtype dtype)
    {
        using var scope = new Scope();
        var plain = new Op("aten::gelu(self, approximate)");
        Same(dtype, t => Gelu(t[0], tanh: true), t => plain.One(t[0].To(Dtype.F32), Value.Text("tanh")).To(dtype),
            (Arange(-600, 601).To(Dtype.F32) / 10).To(dtype));
        using var off = GradMode.Off();
        var far = Gelu(Tensor.From([float.NaN, -3e38f, -200, 0, 200, 3e38f]), tanh: true).ToArray<float>();
        Assert.Equal([float.NaN, 0, 0, 0, 200, 3e38f], far.Select(v => v == 0 ? 0 : v));
    }

    [Fact]
    public void TheNumberOfThreadsChangesNoBit()
    {
        using var scope = new Scope();
        var before = Libtorch.Threads;
        try
        {
            Tensor[] Run(int threads)
            {
                Libtorch.Threads = threads;
                Tensor[] leaves = [Random(1, 4, 50, 16, D).RequiresGrad_(), Random(2, 4, 1, 1, D).RequiresGrad_(), Random(3, 4, 1, 1, D).RequiresGrad_()];
                var y = Elementwise.LayerNorm(leaves[0], leaves[1], leaves[2], 1, 1e-6, Dtype.BF16);
                Elementwise.GatedAdd(leaves[0], Gelu(y, tanh: true), leaves[1]).Backward(Ones(leaves[0].Shape));
                return [y.Detach(), .. leaves.Select(l => l.Grad!)];
            }
            foreach (var (one, two) in Run(1).Zip(Run(2))) Assert.True(Equal(one, two));
        }
        finally { Libtorch.Threads = before; }
    }

    [Fact]
    public void RowsThatAreNotForRunsOfTokensAreRefused()
    {
        using var scope = new Scope();
        var e = Assert.Throws<TorchException>(() => Elementwise.GatedAdd(Zeros([2, 3, 5, 8]), Zeros([2, 3, 5, 8]), Zeros([1, 3, 1, 8])));
        Assert.Contains("not for runs of the tokens", e.Message);
    }

    [Fact]
    public void AdamWInOnePassIsAdamWInSix()
    {
        using var scope = new Scope();
        var (p, m, v) = (Random(1, 37, 29), Random(2, 37, 29) * 0.1, Square(Random(3, 37, 29)));
        var (p2, m2, v2) = (p.Clone(), m.Clone(), v.Clone());
        for (var step = 1; step < 5; step++)
        {
            var gradient = Random(10 + step, 37, 29);
            Fused.AdamW_(p, gradient, m, v, 0.01, 0.9, 0.99, 0.1, step);
            Optimiser.AdamW_(p2, gradient, m2, v2, 0.01, 0.9, 0.99, 0.1, step);
        }
        Near.Equal(p2, p, 1e-6);
        Near.Equal(m2, m, 1e-6);
        Near.Equal(v2, v, 1e-6);
    }
}
