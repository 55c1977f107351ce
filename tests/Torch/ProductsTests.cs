namespace LongTake.Tests.Torch;

[Collection(nameof(Alone))]   // sets how the process multiplies
public class ProductsTests
{
    /// <summary>Products of bfloat16 tokens in float32 beside plain ones in float64: values and all gradients, within the rounding of what is stored.</summary>
    [Theory]
    [InlineData(Dtype.BF16, Dtype.F32, true, 7, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, false, 3000, 48, 72)]   // several blocks
    [InlineData(Dtype.BF16, Dtype.BF16, true, 3000, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, true, 9, 300, 1100)]    // too few tokens for many threads: panels
    [InlineData(Dtype.F32, Dtype.F32, true, 9, 300, 1100)]
    [InlineData(Dtype.F32, Dtype.F32, false, 3000, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, true, 900, 2100, 2400)] // several rooms and depths
    [InlineData(Dtype.F32, Dtype.F32, true, 70, 2100, 4200)]
    public void LinearInFloat(Dtype type, Dtype weights, bool bias, int tokens, int inputs, int outputs)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var x = g.Normal(2, tokens, inputs).To(type);
        var (w, b, pull) = ((g.Normal(outputs, inputs) * 0.2).To(weights), g.Normal(outputs).To(weights), g.Normal(2, tokens, outputs).To(type));
        var exact = Run(Dtype.F64, Dtype.F64, Ops.Linear);
        var was = Products.InFloat;
        try
        {
            Products.InFloat = true;
            var ours = Run(type, weights, Products.Linear);
            Assert.Equal([type, type, weights, weights], ours.Select(t => t.Dtype));
            for (var i = 0; i < ours.Length; i++)
                Near.Equal(exact[i], ours[i], (ours[i].Dtype == Dtype.BF16 ? 4e-3 : 1e-5) * Max(Abs(exact[i])).Scalar());
        }
        finally { Products.InFloat = was; }

        Tensor[] Run(Dtype type, Dtype own, Func<Tensor, Tensor, Tensor?, Tensor> linear)
        {
            Tensor[] leaves = [.. new[] { x.To(type), w.To(own), b.To(own) }.Select(t => t.Detach().Clone().RequiresGrad_())];
            var y = linear(leaves[0], leaves[1], bias ? leaves[2] : null);
            y.Backward(pull.To(type));
            return [y.Detach(), leaves[0].Grad!, leaves[1].Grad!, bias ? leaves[2].Grad! : leaves[2].Detach()];
        }
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("avx2")]
    [InlineData("avx512")]
    public void EveryInstructionSetMultiplies(string instructions)
    {
        using var scope = new Scope();
        using var g = new Generator(2);
        var op = new Op("longtake::linear(x, weight, bias, instructions)");
        foreach (var type in (Dtype[])[Dtype.F32, Dtype.BF16])
            foreach (var (tokens, inputs, outputs) in ((int, int, int)[])[(1, 1, 1), (13, 17, 97), (200, 50, 33), (700, 144, 48)])
            {
                var (x, w, b, pull) = (g.Normal(tokens, inputs).To(type), g.Normal(outputs, inputs), g.Normal(outputs), g.Normal(tokens, outputs).To(type));
                var exact = Run(Dtype.F64, (x, w, b) => Ops.Linear(x, w, b));
                var ours = Run(null, (x, w, b) => op.One(x, w, b, Value.Text(instructions)));
                foreach (var (e, o) in exact.Zip(ours)) Near.Equal(e, o, (o.Dtype == Dtype.BF16 ? 4e-3 : 1e-5) * Max(Abs(e)).Scalar());

                Tensor[] Run(Dtype? type, Func<Tensor, Tensor, Tensor, Tensor> linear)
                {
                    Tensor[] leaves = [.. new[] { x, w, b }.Select(t => t.To(type ?? t.Dtype).Detach().Clone().RequiresGrad_())];
                    var y = linear(leaves[0], leaves[1], leaves[2]);
                    y.Backward(pull.To(type ?? pull.Dtype));
                    return [y.Detach(), .. leaves.Select(l => l.Grad!)];
                }
            }
    }

    [Theory]
    [InlineData(Dtype.BF16, 1960, 192, 384)]
    [InlineData(Dtype.BF16, 700, 50, 74)]
    [InlineData(Dtype.F32, 9, 1100, 1300)]
    [InlineData(Dtype.F32, 0, 8, 4)]
    public void TheNumberOfThreadsChangesNothing(Dtype type, int tokens, int inputs, int outputs)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var (x, w, b, pull) = (g.Normal(tokens, inputs).To(type), g.Normal(outputs, inputs), g.Normal(outputs), g.Normal(tokens, outputs).To(type));
        var (was, threads) = (Products.InFloat, Libtorch.Threads);
        try
        {
            Products.InFloat = true;
            foreach (var (one, two) in Run(1).Zip(Run(2))) Assert.True(Equal(one, two));
        }
        finally { (Products.InFloat, Libtorch.Threads) = (was, threads); }

        Tensor[] Run(int count)
        {
            Libtorch.Threads = count;
            Tensor[] leaves = [.. new[] { x, w, b }.Select(t => t.Clone().RequiresGrad_())];
            var y = Products.Linear(leaves[0], leaves[1], leaves[2]);
            y.Backward(pull);
            return [y.Detach(), .. leaves.Select(l => l.Grad!)];
        }
    }

    [Fact]
    public void ALayerWithoutWeightsIsRefused()
    {
        using var scope = new Scope();
        var op = new Op("longtake::linear(x, weight, bias)");
        Assert.Contains("does not fit", Assert.Throws<TorchException>(() => op.One(Zeros([3, 0]), Zeros([4, 0]), Value.None)).Message);
        Assert.Contains("does not fit", Assert.Throws<TorchException>(() => op.One(Zeros([3, 5]), Zeros([4, 5]), Zeros([3]))).Message);
    }

    [Fact]
    public void WhatIsFrozenGetsNoGradientAndCostsNone()
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var was = Products.InFloat;
        try
        {
            Products.InFloat = true;
            var (x, w) = (g.Normal(5, 8).To(Dtype.BF16).RequiresGrad_(), g.Normal(4, 8));
            Sum(Products.Linear(x, w, null).To(Dtype.F32)).Backward();
            Assert.NotNull(x.Grad);
            Assert.Null(w.Grad);
            Assert.Equal(Dtype.F32, Products.Type(Dtype.BF16, "cpu"));
            Assert.Equal((Dtype.BF16, Dtype.F64), (Products.Type(Dtype.BF16, "cuda:0"), Products.Type(Dtype.F64, "cpu")));
        }
        finally { Products.InFloat = was; }
    }
}
