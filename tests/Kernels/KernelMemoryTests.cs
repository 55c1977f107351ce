using LongTake.Kernels;
using static LongTake.Tests.Kernels.Compare;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

/// <summary>Threads change no bit, and no call leaves memory behind.</summary>
[Collection(nameof(Alone))]
public class KernelMemoryTests
{
    private static Tensor Chain(
        Tensor x,
        Tensor scale,
        Tensor shift,
        Tensor weight,
        Tensor cos,
        Tensor sin,
        ScalarType type
    )
    {
        var h = LayerNormKernel.Forward(x, scale, shift, 1, 1e-6, type);
        var q = RmsNormKernel.Forward(h.reshape(x.size(0), -1, x.size(-1)), weight, cos, sin, 1e-6);
        return GatedAddKernel.Forward(x, GeluKernel.Forward(q).reshape(x.shape), scale);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void TheNumberOfThreadsChangesNoBit(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var angles = Random(6, 1, 800, 1, 24);
        Tensor[] Run(int threads)
        {
            Workers.Count = threads;
            Tensor[] leaves = [Random(1, 4, 50, 16, 96), Random(2, 4, 1, 1, 96), Random(3, 4, 1, 1, 96), Random(4, 96)];
            foreach (var leaf in leaves)
                leaf.requires_grad_();
            var y = Chain(leaves[0], leaves[1], leaves[2], leaves[3], angles.cos(), angles.sin(), type);
            y.backward([Random(7, y.shape)]);
            var picture = PixelNormKernel.Forward(leaves[0].detach().to(type), Random(8, 50), true);
            return [y.detach(), picture, .. leaves.Select(l => l.grad!)];
        }
        try
        {
            foreach (var other in (int[])[2, 3, 5])
            foreach (var (one, two) in Run(1).Zip(Run(other)))
                Assert.True(one.equal(two).all().ToBoolean());
        }
        finally
        {
            Workers.Count = 0;
        }
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void TenThousandCallsLeaveNothing(bool graph, bool inScope)
    {
        const int calls = 10_000;
        using var outer = inScope ? NewDisposeScope() : null;
        using var x = Random(1, 2, 4, 16, 64).requires_grad_();
        using var scale = Random(2, 2, 1, 1, 64).requires_grad_();
        using var weight = Random(3, 64).requires_grad_();
        using var angles = Random(4, 1, 64, 1, 16);
        using var cos = angles.cos();
        using var sin = angles.sin();
        using var pull = Random(5, 2, 4, 16, 64);
        using var gamma = ones(4);
        void Once()
        {
            using var inner = inScope ? NewDisposeScope() : null;
            using var off = graph ? null : no_grad();
            using var h = LayerNormKernel.Forward(x, scale, scale, 1, 1e-6, ScalarType.BFloat16);
            using var flat = h.reshape(2, 64, 64);
            using var q = RmsNormKernel.Forward(flat, weight, cos, sin, 1e-6);
            using var u = GeluKernel.Forward(q);
            using var grid = u.reshape(2, 4, 16, 64);
            using var y = GatedAddKernel.Forward(x, grid, scale);
            using var pixels = PixelNormKernel.Forward(y, gamma, true);
            if (graph)
                y.backward([pull]);
            foreach (var leaf in (Tensor[])[x, scale, weight])
            {
                leaf.grad?.Dispose();
                leaf.grad = null!;
            }
        }
        for (var i = 0; i < 200; i++)
            Once();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var (tensors, memory) = (Tensor.TotalCount, Resident());
        for (var i = 0; i < calls / 5; i++)
            Once();
        Assert.InRange(Tensor.TotalCount - tensors, long.MinValue, 10);
        Assert.InRange(Resident() - memory, long.MinValue, 48 << 20);
    }

    private static long Resident()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private sealed class Cut : autograd.SingleTensorFunction<Cut>
    {
        public override string Name => "Cut";

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).clone();

        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output) => [null!];
    }

    [Fact]
    public void NoGradientInMeansNoneOut()
    {
        using var scope = NewDisposeScope();
        var x = Random(1, 2, 3, 4, 16).requires_grad_();
        var scale = Random(2, 2, 1, 1, 16).requires_grad_();
        var y = GeluKernel.Forward(
            GatedAddKernel.Forward(x, LayerNormKernel.Forward(x, scale, scale, 1, 1e-6, ScalarType.Float32), scale)
        );
        var z = RmsNormKernel.Forward(y.reshape(2, 12, 16), Random(3, 16), null, null, 1e-6);
        (Cut.apply(z) * 2).sum().backward();
        Assert.True(x.grad is null || x.grad.IsInvalid);
        Assert.True(scale.grad is null || scale.grad.IsInvalid);
    }

    [Fact]
    public void OnlyWhatWantsAGradientGetsOne()
    {
        using var scope = NewDisposeScope();
        var (x, still) = (Random(1, 2, 3, 16).requires_grad_(), Random(2, 2, 1, 16));
        GatedAddKernel
            .Forward(x, LayerNormKernel.Forward(x, still, still, 1, 1e-6, ScalarType.BFloat16), still)
            .sum()
            .backward();
        Assert.NotNull(x.grad);
        Assert.True(still.grad is null || still.grad.IsInvalid);
        Assert.False(GeluKernel.Forward(still).requires_grad);
    }
}
