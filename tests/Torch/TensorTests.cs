namespace LongTake.Tests.Torch;

public class TensorTests
{
    [Fact]
    public void ArithmeticAndMemoryRoundTrip()
    {
        using var scope = new Scope();
        var x = Tensor.From([1f, 2f, 3f, 4f], 2, 2);
        Assert.Equal([3f, 5f, 7f, 9f], (x * 2 + 1).ToArray<float>());
        Assert.Equal([1L, 2L], Tensor.From([1L, 2L]).ToArray<long>());
        Assert.Equal([true, false], Tensor.From([true, false]).ToArray<bool>());
        Assert.Equal(1.5, Tensor.From([1.5]).To(Dtype.BF16).To(Dtype.F64).Scalar());
    }

    [Fact]
    public void BackwardGivesTheGradientOfAPolynomial()
    {
        using var scope = new Scope();
        var x = Tensor.From([1.0, -2.0, 3.0]).RequiresGrad_();
        Sum(x * x * x).Backward();
        Assert.Equal([3.0, 12.0, 27.0], x.Grad!.ToArray<double>());
    }

    [Fact]
    public void RecomputeGivesTheSameValuesAndGradients()
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var w = g.Normal(4, 4).RequiresGrad_();
        var x = g.Normal(3, 4).RequiresGrad_();
        Tensor Block(Tensor[] t) => Gelu(MatMul(t[0], w), tanh: true);
        var plain = Block([x]);
        Sum(plain * plain).Backward();
        var (wg, xg) = (w.Grad!.Clone(), x.Grad!.Clone());
        w.Grad = null;
        x.Grad = null;
        var again = Recompute.Run(Block, x);
        Assert.True(Equal(plain.Detach(), again.Detach()));
        Sum(again * again).Backward();
        Assert.True(Equal(wg, w.Grad!));
        Assert.True(Equal(xg, x.Grad!));
    }

    [Fact]
    public void AFailureNamesOperatorReasonAndArguments()
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var e = Assert.Throws<TorchException>(() => g.Normal(2, 3) + g.Normal(2, 4));
        Assert.Contains("aten::add.Tensor", e.Message);
        Assert.Contains("F32 [2, 3] cpu", e.Message);
        Assert.Contains("F32 [2, 4] cpu", e.Message);
    }

    [Fact]
    public void ATensorOutsideAnyScopeIsAnErrorAndUseAfterTheEndToo()
    {
        Assert.Contains("no Scope is open", Assert.Throws<InvalidOperationException>(() => Tensor.From([1f])).Message);
        Tensor x;
        using (new Scope()) x = Tensor.From([1f]);
        Assert.Throws<ObjectDisposedException>(() => x.Shape);
    }
}
