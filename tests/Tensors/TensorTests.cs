using System.Runtime.InteropServices;
using LongTake.Nn;

namespace LongTake.Tests.Tensors;

[Collection(nameof(Alone))] // live tensors are counted
public class TensorTests
{
    [Fact]
    public void ArithmeticAndMemoryRoundTrip()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([1f, 2f, 3f, 4f], 2, 2);
        Assert.Equal([3f, 5f, 7f, 9f], (x * 2 + 1).ToArray<float>());
        Assert.Equal([1L, 2L], Tensor.From([1L, 2L]).ToArray<long>());
        Assert.Equal([true, false], Tensor.From([true, false]).ToArray<bool>());
        Assert.Equal(1.5, Tensor.From([1.5]).to(ScalarType.BFloat16).to(ScalarType.Float64).ToDouble());
    }

    [Fact]
    public void BackwardGivesTheGradientOfAPolynomial()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([1.0, -2.0, 3.0]).requires_grad_();
        (x * x * x).sum().Backward();
        Assert.Equal([3.0, 12.0, 27.0], x.grad!.ToArray<double>());
    }

    [Fact]
    public void RecomputeGivesTheSameValuesAndGradients()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var w = torch.randn([4, 4], generator: g).requires_grad_();
        var x = torch.randn([3, 4], generator: g).requires_grad_();
        Tensor Block(Tensor[] t) => Elementwise.Gelu(t[0].matmul(w), tanh: true);
        var plain = Block([x]);
        (plain * plain).sum().Backward();
        var (wg, xg) = (w.grad!.clone(), x.grad!.clone());
        w.grad = null;
        x.grad = null;
        var again = Recompute.Run(Block, x);
        Assert.True(plain.detach().SameAs(again.detach()));
        (again * again).sum().Backward();
        Assert.True(wg.SameAs(w.grad!));
        Assert.True(xg.SameAs(x.grad!));
    }

    [Fact]
    public void AFailureNamesTheReasonAndATensorOfAnEndedScopeIsOfNoUse()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var e = Assert.Throws<ExternalException>(() =>
            torch.randn([2, 3], generator: g) + torch.randn([2, 4], generator: g)
        );
        Assert.Contains("must match", e.Message);
        Tensor x;
        using (torch.NewDisposeScope())
            x = Tensor.From([1f]);
        Assert.True(x.IsInvalid);
        Assert.ThrowsAny<InvalidOperationException>(() => x.shape);
    }

    [Fact]
    public void AFailureInsideARecomputedBlockReachesTheCaller()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([1f]).requires_grad_();
        var calls = 0;
        var y = Recompute.Run(t => calls++ == 0 ? t[0] * 2 : throw new UserException("the second time"), x);
        Assert.Equal("the second time", Assert.Throws<UserException>(() => y.Backward()).Message);
        (x * 2).sum().Backward();
        Assert.Equal([2f], x.grad!.ToArray<float>());
    }

    [Fact]
    public void ALongRowOfRecomputedBlocksLeavesNothing()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([1f]).requires_grad_();
        void Step()
        {
            using var inner = torch.NewDisposeScope();
            x.grad = null;
            var y = x;
            for (var i = 0; i < 10; i++)
                y = Recompute.Run(t => t[0] * 1.5, y);
            Recompute.Run(t => t[0] * 2, x); // a result that nobody uses
            y.Backward();
            Assert.Equal(Math.Pow(1.5, 10), x.grad!.ToDouble(), 3);
            GC.Collect(0);
        }
        Step();
        var before = LiveTensors.Settled();
        for (var i = 0; i < 100; i++)
            Step();
        Assert.Equal(before, Tensor.TotalCount);
    }
}
