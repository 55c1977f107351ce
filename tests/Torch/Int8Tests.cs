namespace LongTake.Tests.Torch;

/// <summary>Products of bytes beside the same on floats.</summary>
public class Int8Tests
{
    private static readonly string[] levels = ["plain", "avx2", "avx512"];

    // Tokens, inputs, outputs.
    public static TheoryData<long, long, long> Shapes => new() { { 1, 4, 1 }, { 7, 30, 48 }, { 300, 192, 384 }, { 9, 1001, 100 } };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void WholeNumbersAreMultipliedExactly(long tokens, long inputs, long outputs)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        // With 127 in every row the scales are 1.
        Tensor Draw(long rows) => Cat([Full([rows, 1], 127), Clamp(Round(g.Normal(rows, inputs - 1) * 50), -127, 127)], 1);
        var (x, weight, bias) = (Draw(tokens), Draw(outputs), Round(g.Normal(outputs) * 100));
        using var matrix = new Int8Matrix(weight);
        var exact = MatMul(x.To(Dtype.F64), weight.To(Dtype.F64).Transpose(0, 1)) + bias.To(Dtype.F64);
        foreach (var level in levels) Assert.True(Equal(exact.To(Dtype.F32), matrix.Linear(x, bias, level)), level);
        Assert.True(Equal((exact - bias.To(Dtype.F64)).To(Dtype.F32), matrix.Linear(x, null)));
    }

    [Theory]
    [InlineData(Dtype.F32, 3e-4)]
    [InlineData(Dtype.BF16, 4e-3)]
    public void ProductsAreThoseOfRoundedNumbers(Dtype dtype, double allowed)
    {
        using var scope = new Scope();
        using var g = new Generator(2);
        // Rows of very different sizes: each has a scale of its own.
        var (x, weight, bias) = ((g.Normal(2, 50, 130) * Pow(g.Normal(2, 50, 1), 4)).To(dtype), g.Normal(70, 130) * Pow(g.Normal(70, 1), 2), g.Normal(70));
        static Tensor Rounded(Tensor rows)
        {
            var scale = Max(Abs(rows.To(Dtype.F32)), [-1], keepdim: true) / 127;
            return (Round(rows.To(Dtype.F32) / scale) * scale).To(Dtype.F64);
        }
        var exact = MatMul(Rounded(x), Rounded(weight).Transpose(0, 1)) + bias.To(Dtype.F64);
        using var matrix = new Int8Matrix(weight);
        foreach (var level in levels)
        {
            var ours = matrix.Linear(x, bias, level);
            Assert.Equal(dtype, ours.Dtype);
            var error = (Norm(exact - ours.To(Dtype.F64)) / Norm(exact)).Scalar();
            Assert.True(error < allowed, $"{level}: relative error {error:g3}");
        }
        var loss = (Norm(MatMul(x.To(Dtype.F64), weight.To(Dtype.F64).Transpose(0, 1)) + bias.To(Dtype.F64) - exact) / Norm(exact)).Scalar();
        Assert.InRange(loss, 1e-4, 0.02);
    }

    [Fact]
    public void OnlyTheBytesStay()
    {
        using var scope = new Scope();
        using var g = new Generator(3);
        var (weight, bias) = (g.Normal(96, 64), g.Normal(96));
        var before = Tensor.Live;
        using (new Scope())
        using (var weights = Weights.LoadInt8(n => n.EndsWith("weight") ? weight : bias, n => n.StartsWith("blocks."), Dtype.BF16))
        {
            var (inside, outside) = (new LongTake.Nn.Linear(weights / "blocks" / 0, 64, 96), new LongTake.Nn.Linear(weights / "head", 64, 96));
            var x = g.Normal(5, 64).To(Dtype.BF16);
            Assert.True(Norm(inside.Forward(x).To(Dtype.F32) - outside.Forward(x).To(Dtype.F32)).Scalar() < 0.02 * Norm(outside.Forward(x).To(Dtype.F32)).Scalar());
            Assert.Equal(96 * 64 + 2 * 4 * 96, (weights / "blocks" / 0).Int8("weight")!.Bytes);
            Assert.Equal([96, 64], weights.All.First().Value.Shape);
        }
        Assert.Equal(before, Tensor.Live);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var scope = new Scope();
        using var matrix = new Int8Matrix(Zeros([8, 12]));
        Assert.Throws<TorchException>(() => matrix.Linear(Zeros([3, 16]), null));
        Assert.Throws<TorchException>(() => new Int8Matrix(Zeros([8])));
    }
}
