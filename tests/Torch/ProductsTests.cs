namespace LongTake.Tests.Torch;

[Collection(nameof(Alone))]   // sets how many threads the process has
public class ProductsTests
{
    // Of the largest entry: what is stored as bfloat16; gradients of weights from float32, and from whole numbers.
    private const double Stored = 4e-3, Floats = 1e-5, Wholes = 1e-3;

    /// <summary>Products of bfloat16 tokens beside plain ones in float64: values and all gradients, within the rounding of what is stored.</summary>
    [Theory]
    [InlineData(Dtype.BF16, Dtype.F32, true, 7, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, false, 3000, 48, 72)]   // several blocks
    [InlineData(Dtype.BF16, Dtype.BF16, true, 3000, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, true, 9, 300, 1100)]    // too few tokens for many threads: panels
    [InlineData(Dtype.F32, Dtype.F32, true, 9, 300, 1100)]
    [InlineData(Dtype.F32, Dtype.F32, false, 3000, 48, 72)]
    [InlineData(Dtype.BF16, Dtype.F32, true, 900, 2100, 2400)] // several rooms and depths
    [InlineData(Dtype.F32, Dtype.F32, true, 70, 2100, 4200)]
    public void LinearBesideExactProducts(Dtype type, Dtype weights, bool bias, int tokens, int inputs, int outputs)
    {
        foreach (var kind in (ProductKind[])[ProductKind.Float32, ProductKind.Int16])
        {
            using var scope = new Scope();
            var t = new Layer(type, weights, tokens, inputs, outputs, bias);
            var (exact, ours) = (t.Exact(), t.Run((x, w, b) => Products.Linear(x, w, b, kind)));
            Assert.Equal([type, type, weights, weights], ours.Select(o => o.Dtype));
            foreach (var (e, o) in exact.Zip(ours)) Near.Equal(e, o, Bound(o, type, kind) * Max(Abs(e)).Scalar());
        }
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("avx2")]
    [InlineData("avx512")]
    public void EveryInstructionSetMultiplies(string instructions)
    {
        var op = new Op("longtake::linear(x, weight, bias, int16, instructions)");
        foreach (var kind in (ProductKind[])[ProductKind.Float32, ProductKind.Int16])
            foreach (var type in (Dtype[])[Dtype.F32, Dtype.BF16])
                foreach (var (tokens, inputs, outputs) in ((int, int, int)[])[(1, 1, 1), (13, 17, 97), (200, 50, 33), (700, 144, 48)])
                {
                    using var scope = new Scope();
                    var t = new Layer(type, Dtype.F32, tokens, inputs, outputs);
                    var (exact, ours) = (t.Exact(), t.Run((x, w, b) => op.One(x, w, b, kind == ProductKind.Int16, Value.Text(instructions))));
                    foreach (var (e, o) in exact.Zip(ours)) Near.Equal(e, o, Bound(o, type, kind) * Max(Abs(e)).Scalar());
                }
    }

    /// <summary>Rows have scales of their own, so that one's size is nothing to another, and sums of the largest numbers there can be are exact.</summary>
    [Theory]
    [InlineData(192)]
    [InlineData(512)]
    [InlineData(2000)]
    public void WholeNumbersOfAnySize(int inputs)
    {
        using var scope = new Scope();
        var ones = Ones([4, inputs]);
        var sizes = Tensor.From<float>([1e-30f, 1, 1e6f, 0]).Reshape(4, 1);
        var y = Products.Linear((ones * sizes).To(Dtype.BF16), ones * -3, null, ProductKind.Int16);
        var expected = (ones * sizes).To(Dtype.BF16).To(Dtype.F64);
        for (var i = 0; i < 4; i++)
        {
            var (x, row) = (Select(Select(expected, 0, i), 0, 0).Scalar() * -3 * inputs, Select(y, 0, i).To(Dtype.F64));
            Assert.InRange(Max(Abs(row - x)).Scalar(), 0, 4e-3 * Math.Abs(x));
        }
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void WhatIsNoNumberStaysNone(float bad)
    {
        using var scope = new Scope();
        float[] tokens = [.. Enumerable.Repeat(1f, 3 * 64)];
        tokens[64 + 40] = bad;
        var y = Products.Linear(Tensor.From<float>(tokens).Reshape(3, 64).To(Dtype.BF16), Ones([5, 64]), null, ProductKind.Int16).To(Dtype.F32).ToArray<float>();
        Assert.All(y[5..10], v => Assert.False(float.IsFinite(v)));
        Assert.All(y[..5].Concat(y[10..]), v => Assert.Equal(64, v, 0.3));
    }

    [Theory]
    [InlineData(Dtype.BF16, 1960, 192, 384)]
    [InlineData(Dtype.BF16, 700, 50, 74)]
    [InlineData(Dtype.F32, 9, 1100, 1300)]
    [InlineData(Dtype.F32, 0, 8, 4)]
    public void TheNumberOfThreadsChangesNothing(Dtype type, int tokens, int inputs, int outputs)
    {
        var threads = Libtorch.Threads;
        try
        {
            foreach (var kind in (ProductKind[])[ProductKind.Float32, ProductKind.Int16])
            {
                using var scope = new Scope();
                var t = new Layer(type, Dtype.F32, tokens, inputs, outputs);
                Tensor[] Run(int count)
                {
                    Libtorch.Threads = count;
                    return t.Run((x, w, b) => Products.Linear(x, w, b, kind));
                }
                foreach (var (one, two) in Run(1).Zip(Run(2))) Assert.True(Equal(one, two));
            }
        }
        finally { Libtorch.Threads = threads; }
    }

    /// <summary>Layers side by side beside one after the other.</summary>
    [Theory]
    [InlineData(Dtype.F32)]
    [InlineData(Dtype.BF16)]
    public void EveryPlaceHasItsLayer(Dtype type)
    {
        foreach (var kind in Enum.GetValues<ProductKind>())
        {
            using var scope = new Scope();
            using var g = new Generator(3);
            const int Places = 3;
            var (x, w, b, pull) = (g.Normal(2, 90, Places, 40).To(type), g.Normal(Places, 40, 56), g.Normal(Places, 1, 56), g.Normal(2, 90, Places, 56).To(type));
            Tensor[] Run(Func<Tensor, Tensor, Tensor, Tensor> layers)
            {
                Tensor[] leaves = [.. new[] { x, w, b }.Select(t => t.Clone().RequiresGrad_())];
                var y = layers(leaves[0], leaves[1], leaves[2]);
                y.Backward(pull);
                return [y.Detach(), .. leaves.Select(l => l.Grad!)];
            }
            var together = Run((x, w, b) => Products.Linear(x, w.Transpose(1, 2), b.Squeeze(1), kind));
            var single = Run((x, w, b) => Stack([.. Enumerable.Range(0, Places).Select(p =>
                Products.Linear(Select(x, 2, p), Select(w, 0, p).Transpose(0, 1), Select(b, 0, p).Reshape(56), kind))], 2));
            foreach (var (s, t) in single.Zip(together)) Near.Equal(s, t, (kind == ProductKind.BFloat16 && type == Dtype.BF16 ? 1e-2 : 1e-6) * Max(Abs(s)).Scalar());
        }
    }

    [Fact]
    public void ALayerWithoutWeightsIsRefused()
    {
        using var scope = new Scope();
        var op = new Op("longtake::linear(x, weight, bias)");
        Assert.Contains("does not fit", Assert.Throws<TorchException>(() => op.One(Zeros([3, 0]), Zeros([4, 0]), Value.None)).Message);
        Assert.Contains("does not fit", Assert.Throws<TorchException>(() => op.One(Zeros([3, 5]), Zeros([4, 5]), Zeros([3]))).Message);
        Assert.Contains("does not fit", Assert.Throws<TorchException>(() => op.One(Zeros([3, 5]), Zeros([2, 4, 5]), Value.None)).Message);
    }

    [Theory]
    [InlineData(ProductKind.Float32)]
    [InlineData(ProductKind.Int16)]
    public void WhatIsFrozenGetsNoGradientAndCostsNone(ProductKind kind)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var (x, w) = (g.Normal(5, 8).To(Dtype.BF16).RequiresGrad_(), g.Normal(4, 8));
        Sum(Products.Linear(x, w, null, kind).To(Dtype.F32)).Backward();
        Assert.NotNull(x.Grad);
        Assert.Null(w.Grad);
    }

    [Fact]
    public void OtherProductsHaveTheTypeOfTheirDevice()
    {
        var was = Products.Kind;
        try
        {
            Products.Kind = ProductKind.Int16;
            Assert.Equal((Dtype.F32, Dtype.BF16, Dtype.F64), (Products.Type(Dtype.BF16, "cpu"), Products.Type(Dtype.BF16, "cuda:0"), Products.Type(Dtype.F64, "cpu")));
            Products.Kind = ProductKind.BFloat16;
            Assert.Equal(Dtype.BF16, Products.Type(Dtype.BF16, "cpu"));
        }
        finally { Products.Kind = was; }
    }

    private static double Bound(Tensor ours, Dtype tokens, ProductKind kind) =>
        ours.Dtype == Dtype.BF16 ? Stored : tokens == Dtype.BF16 && kind == ProductKind.Int16 ? Wholes : Floats;

    /// <summary>A layer, and what comes out of it: values, and the gradients of tokens, weight and bias.</summary>
    private sealed class Layer
    {
        private readonly Tensor x, w, b, pull;
        private readonly bool bias;

        public Layer(Dtype type, Dtype weights, int tokens, int inputs, int outputs, bool bias = true)
        {
            using var g = new Generator(1);
            this.bias = bias;
            (x, w, b, pull) = (g.Normal(tokens, inputs).To(type), (g.Normal(outputs, inputs) * 0.2).To(weights), g.Normal(outputs).To(weights), g.Normal(tokens, outputs).To(type));
        }

        public Tensor[] Exact() => Run(Ops.Linear, Dtype.F64);

        public Tensor[] Run(Func<Tensor, Tensor, Tensor?, Tensor> linear, Dtype? type = null)
        {
            Tensor[] leaves = [.. new[] { x, w, b }.Select(t => t.To(type ?? t.Dtype).Detach().Clone().RequiresGrad_())];
            var y = linear(leaves[0], leaves[1], bias ? leaves[2] : null);
            y.Backward(pull.To(type ?? pull.Dtype));
            return [y.Detach(), leaves[0].Grad!, leaves[1].Grad!, bias ? leaves[2].Grad! : leaves[2].Detach()];
        }
    }
}
