using System.Diagnostics;
using LongTake.Tensors;

namespace LongTake.Tests.Tensors;

[Collection(nameof(Alone))] // tensors and memory of the process are counted
public unsafe class OperatorTests
{
    private static readonly Operator rmsNorm = new("aten::rms_norm");
    private static readonly Operator fusedAdamW = new("aten::_fused_adamw_");

    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(true, false)]
    public void RmsNormIsItsCompositionWithGradients(bool weighted, bool epsilon)
    {
        using var scope = torch.NewDisposeScope();
        torch.random.manual_seed(1);
        var (x, w) = (
            torch.randn(new long[] { 5, 3, 16 }).requires_grad_(true),
            torch.randn(new long[] { 16 }).requires_grad_(true)
        );
        var (x2, w2) = (x.detach().clone().requires_grad_(true), w.detach().clone().requires_grad_(true));
        var found = rmsNorm.Call(
            x,
            new long[] { 16 },
            Argument.Optional(weighted ? w : null),
            epsilon ? Argument.Optional(1e-3) : Argument.None
        );
        var expected = x2 * (x2.square().mean([-1], keepdim: true) + (epsilon ? 1e-3 : 1.1920929e-7)).rsqrt();
        if (weighted)
            expected *= w2;
        var seed = torch.randn(new long[] { 5, 3, 16 });
        (found * seed).sum().backward();
        (expected * seed).sum().backward();
        Assert.True(found.allclose(expected, 1e-5, 1e-6));
        Assert.True(x.grad!.allclose(x2.grad!, 1e-4, 1e-6));
        if (weighted)
            Assert.True(w.grad!.allclose(w2.grad!, 1e-4, 1e-5));
    }

    [Fact]
    public void AFusedOptimiserChangesItsTensorsInPlace()
    {
        using var scope = torch.NewDisposeScope();
        torch.random.manual_seed(2);
        var (p, g) = (torch.randn(new long[] { 40 }), torch.randn(new long[] { 40 }));
        var before = p.clone();
        var (mean, square, step) = (torch.zeros(40), torch.zeros(40), torch.ones(Array.Empty<long>()));
        var none = Array.Empty<Tensor>();
        Assert.Empty(
            fusedAdamW.CallMany(
                0,
                new[] { p },
                new[] { g },
                new[] { mean },
                new[] { square },
                none,
                new[] { step },
                1e-2,
                0.9,
                0.99,
                0.1,
                1e-8,
                false,
                false,
                Argument.None,
                Argument.None
            )
        );
        var expected = before * (1 - 1e-2 * 0.1) - 1e-2 * g / (g.abs() + 1e-8);
        Assert.True(p.allclose(expected, 1e-5, 1e-6));
        Assert.True(mean.allclose(g * 0.1f, 1e-5, 1e-6));
    }

    [Fact]
    public void EveryKindOfArgumentArrives()
    {
        using var scope = torch.NewDisposeScope();
        var x = torch.arange(6, dtype: torch.float32).reshape(2, 3);
        var cast = new Operator("aten::to", "dtype").Call(x, torch.ScalarType.BFloat16, false, false, Argument.None);
        Assert.Equal(torch.bfloat16, cast.dtype);
        var zeros = new Operator("aten::zeros_like").Call(
            x,
            Argument.Optional(torch.ScalarType.Int64),
            Argument.None,
            Argument.None,
            Argument.None,
            Argument.None
        );
        Assert.Equal(torch.int64, zeros.dtype);
        var parts = new Operator("aten::split", "Tensor").CallList(x, 1L, 1L);
        Assert.Equal([3, 3, 3], parts.Select(p => (int)(p.shape[0] * p.shape[1] + 1)));
        var joined = new Operator("aten::cat").Call(parts, 0L);
        Assert.Equal([6, 1], joined.shape);
        var large = new Operator("aten::upsample_nearest2d", "vec").Call(
            x[torch.TensorIndex.None, torch.TensorIndex.None],
            Argument.None,
            Argument.Optional(new double[] { 2, 2 })
        );
        Assert.Equal([1, 1, 4, 6], large.shape);
        var many = new Operator("aten::max", "dim").CallMany(2, x, 1L, false);
        Assert.Equal([2f, 5], many[0].data<float>().ToArray());
        Assert.Equal([2L, 2], many[1].data<long>().ToArray());
    }

    [Fact]
    public void AFailureNamesOperatorAndShapes()
    {
        using var scope = torch.NewDisposeScope();
        var error = Assert.Throws<TorchException>(() =>
            new Operator("aten::mm").Call(torch.zeros(2, 3), torch.zeros(2, 3))
        );
        Assert.Contains("aten::mm(Float32[2, 3], Float32[2, 3])", error.Message);
        Assert.Contains(
            "aten::no_such",
            Assert.Throws<TorchException>(() => new Operator("aten::no_such").Call(torch.zeros(2))).Message
        );
    }

    [Fact]
    public void ThousandsOfCallsLeaveNoTensorAndNoMemory()
    {
        using var scope = torch.NewDisposeScope();
        var (x, w) = (torch.randn(new long[] { 64, 64 }), torch.ones(64));
        void Work(int count)
        {
            for (var i = 0; i < count; i++)
            {
                using var y = rmsNorm.Call(x, new long[] { 64 }, Argument.Optional(w), Argument.Optional(1e-6));
                foreach (var part in new Operator("aten::split", "Tensor").CallList(y, 16L, 0L))
                    part.Dispose();
            }
        }
        Work(2000);
        var (tensors, memory) = (LiveTensors.Settled(), Resident());
        Work(20000);
        Assert.Equal(tensors, Tensor.TotalCount);
        Assert.InRange(Resident() - memory, long.MinValue, 48 << 20);
    }

    [Fact]
    public void MemoryIsATensorAndATensorMemory()
    {
        var data = GC.AllocateArray<float>(12, pinned: true);
        fixed (float* at = data)
        {
            using var over = TensorMemory.Over(at, [3, 4], torch.float32);
            data[5] = 7;
            Assert.Equal(7, over[1, 1].item<float>());
            over[0, 0] = 3;
            Assert.Equal(3, data[0]);
            Assert.True(TensorMemory.Pointer(over) == at);
            using var row = over[2];
            Assert.True(TensorMemory.Pointer(row) == at + 8);
            using var doubled = over * 2;
            Assert.Equal(14, doubled[1, 1].item<float>());
            using var scalar = TensorMemory.Over(at, [], torch.float32);
            using var empty = TensorMemory.Over(at, [0, 4], torch.float32);
            Assert.Equal((1, 0), (scalar.numel(), empty.numel()));
        }
        using var bytes = torch.ones(new long[] { 3 }, torch.bfloat16);
        Assert.Equal(0x3f80, ((ushort*)TensorMemory.Pointer(bytes))[2]);
    }

    private static long Resident()
    {
        GC.Collect();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
