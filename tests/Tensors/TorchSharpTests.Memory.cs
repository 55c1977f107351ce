using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Tests.Tensors;

public sealed partial class TorchSharpTests
{
    /// <summary>Reading numbers on the host leaves no copy behind.</summary>
    [Fact]
    public void HostReadsLeaveNothing()
    {
        using var x = Random(1, 3, 4);
        using var one = Tensor.From([1f]);
        var before = Tensor.TotalCount;
        for (var i = 0; i < 100; i++)
        {
            x.ToArray<float>();
            one.ToDouble();
            one.item<float>();
            x.AllFinite();
            x.SameAs(x);
            x.CopyTo(new byte[48]);
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>
    /// 10,000 forwards take no more memory than some, though the collector, which does not see tensors, is not called.
    /// </summary>
    [Fact]
    public void ManyForwardsAreFlatWithoutACollection()
    {
        using var x = Random(1, 64, 256); // 64 KB: ten thousand would be 640 MB
        using var weight = Random(2, 256, 256);
        void Once()
        {
            using var scope = torch.NewDisposeScope();
            Elementwise.Gelu(Products.Linear(x, weight, null), tanh: true);
        }
        for (var i = 0; i < 100; i++)
            Once();
        var (count, memory) = (Tensor.TotalCount, Resident());
        for (var i = 0; i < 10_000; i++)
            Once();
        Assert.Equal(count, Tensor.TotalCount);
        Assert.InRange(Resident() - memory, long.MinValue, 48 << 20);
    }

    /// <summary>
    /// A scope a step: the peak of 50 steps is that of one. (A scope around all of them would hold what every step has
    /// made.)
    /// </summary>
    [Fact]
    public void FiftyStepsHoldNoMoreThanOne()
    {
        using var weight = Random(1, 64, 64).requires_grad_();
        long most = 0;
        void Step()
        {
            using var scope = torch.NewDisposeScope();
            var h = Random(2, 32, 64);
            for (var layer = 0; layer < 6; layer++)
            {
                h = Elementwise.Gelu(Products.Linear(h, weight, null), tanh: true);
                most = Math.Max(most, Tensor.TotalCount);
            }
            h.square().mean().Backward();
            most = Math.Max(most, Tensor.TotalCount);
            weight.grad = null;
        }
        Step();
        most = 0;
        Step();
        var one = most;
        for (var i = 0; i < 50; i++)
            Step();
        Assert.InRange(most, one, one * 1.1);
    }

    /// <summary>A kernel inside a recomputed block, 10,000 times: the same gradient, and no tensor left.</summary>
    [Fact]
    public void RecomputedKernelsLeaveNothing()
    {
        using var x = Random(1, 1, 8, 2, 32).requires_grad_();
        using var scale = Random(2, 1, 1, 1, 32).requires_grad_();
        Tensor Block(Tensor[] t)
        {
            using var inner = torch.NewDisposeScope();
            var h = Elementwise.LayerNorm(t[0], t[1], t[1], 1, 1e-6, ScalarType.Float32);
            return Attention.Full(h, Elementwise.Gelu(h, tanh: true), h).MoveToOuterDisposeScope();
        }
        float[] Once()
        {
            using var scope = torch.NewDisposeScope();
            Recompute.Run(Block, x, scale).sum().Backward();
            var gradient = x.grad!.ToArray<float>();
            (x.grad, scale.grad) = (null, null);
            return gradient;
        }
        var first = Once();
        for (var i = 0; i < 200; i++)
            Once();
        var (count, memory) = (LiveTensors.Settled(), Resident());
        for (var i = 0; i < 10_000; i++)
            Once();
        Assert.Equal(first, Once());
        Assert.InRange(Tensor.TotalCount - count, long.MinValue, 10);
        _ = LiveTensors.Settled(); // what is left then is libtorch's, not the collector's slack
        Assert.InRange(Resident() - memory, long.MinValue, 96 << 20);
    }
}
