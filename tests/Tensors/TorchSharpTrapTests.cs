using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace LongTake.Tests.Tensors;

/// <summary>
/// What TorchSharp 0.107 does otherwise than PyTorch, by its outcome, and that no source rests on it. Where a newer
/// TorchSharp fails one of the first tests, the way around it can go.
/// </summary>
[Collection(nameof(Alone))] // live tensors are counted
public sealed partial class TorchSharpTrapTests
{
    /// <summary>
    /// <c>zero_</c> gives another object over the same numbers, to be freed like any, and takes no leaf that wants a
    /// gradient, not even to say why; we call <c>fill_(0)</c>.
    /// </summary>
    [Fact]
    public void ZeroInPlaceMakesAnotherTensor()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([1f, 2f]);
        var y = x.zero_();
        Assert.NotSame(x, y);
        Assert.NotEqual(x.Handle, y.Handle);
        Assert.Equal([0f, 0f], x.ToArray<float>());
        Assert.Contains(
            "automatic differentiation",
            Assert.Throws<ExternalException>(() => x.requires_grad_().zero_()).Message
        );
        using var off = torch.no_grad();
        Assert.Equal([3f, 3f], x.fill_(3).ToArray<float>());
    }

    /// <summary>
    /// <c>baddbmm(a, b, c)</c> is c + a b, not a + b c, and fails where shapes forbid it; we write the sum and the
    /// product.
    /// </summary>
    [Fact]
    public void TheFusedBatchedProductTurnsItsArgumentsRound()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b, c) = (
            torch.full([1, 2, 2], 100f),
            torch.full([1, 2, 2], 2f),
            Tensor.From([1f, 2f, 3f, 4f], 1, 2, 2)
        );
        Assert.Equal([401f, 402f, 403f, 404f], torch.baddbmm(a, b, c).ToArray<float>());
        Assert.Equal([401f, 402f, 403f, 404f], a.baddbmm(b, c).ToArray<float>());
        Assert.Equal([108f, 112f, 108f, 112f], (a + b.bmm(c)).ToArray<float>());
        Assert.Throws<ExternalException>(() =>
            torch.baddbmm(torch.ones(1, 2, 2), torch.ones(1, 2, 3), torch.ones(1, 3, 2))
        );
    }

    /// <summary><c>equal</c> compares element by element, as <c>eq</c>; we call <c>SameAs</c>.</summary>
    [Fact]
    public void EqualIsElementByElement()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = (Tensor.From([1f, 2f]), Tensor.From([1f, 3f]));
        Assert.Equal([true, false], a.equal(b).ToArray<bool>());
        Assert.False(a.SameAs(b));
        Assert.True(a.SameAs(a.clone()));
    }

    /// <summary>
    /// <c>as_strided</c> without an offset starts at the storage's first element, not at the tensor's; we always give
    /// the offset.
    /// </summary>
    [Fact]
    public void AStridedViewForgetsWhereItsTensorStarts()
    {
        using var scope = torch.NewDisposeScope();
        var tail = Tensor.From([1f, 2f, 3f]).narrow(0, 1, 2);
        Assert.Equal([1f, 2f], tail.as_strided([2], [1]).ToArray<float>());
        Assert.Equal([2f, 3f], tail.as_strided([2], [1], tail.storage_offset()).ToArray<float>());
    }

    /// <summary>
    /// A number beside a tensor where a tensor is asked for becomes a tensor of its own, which only a scope frees; ours
    /// are in scopes.
    /// </summary>
    [Fact]
    public void ANumberBecomesATensorThatSomeoneMustFree()
    {
        using var x = Tensor.From([1f]);
        using var end = Tensor.From([3f]);
        var before = Tensor.TotalCount;
        Tensor number = 0.5;
        Assert.Equal(before + 1, Tensor.TotalCount);
        number.Dispose();
        using (torch.NewDisposeScope())
            x.lerp_(end, 0.5);
        Assert.Equal(before, Tensor.TotalCount);
        Assert.Equal(2f, x.item<float>());
    }

    /// <summary>What the pinned names are used for in src: nothing.</summary>
    [Fact]
    public void NoSourceFallsIntoThem() =>
        Assert.All(SourceFiles.All(), f => Assert.DoesNotMatch(Traps(), SourceFiles.Code(f.Text)));

    [GeneratedRegex(
        @"\.zero_\(|\.equal\(|baddbmm|as_strided\(\s*[^,()]+,\s*[^,()]+\)|as_strided\(\s*\[[^\]]*\],\s*\[[^\]]*\]\)"
    )]
    private static partial Regex Traps();

    /// <summary>
    /// In x + .5 TorchSharp makes a Scalar and passes on its bare pointer. Only code that is compiled for debugging
    /// keeps it alive meanwhile, so that is what the program's copy of TorchSharp must say it is (Torch.targets).
    /// </summary>
    [Fact]
    public void ArgumentsLiveAsLongAsTheirCalls()
    {
        Assert.True(
            typeof(torch).Assembly.GetCustomAttribute<DebuggableAttribute>()!.IsJITOptimizerDisabled,
            "TorchSharp.dll is the package's own"
        );
        using var scope = torch.NewDisposeScope();
        var (x, stop) = (torch.ones(4), false);
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref stop))
                GC.Collect(0);
        });
        collector.Start();
        try
        {
            for (var i = 0; i < Soak.Of(300, 50_000); i++)
            {
                using var inner = torch.NewDisposeScope();
                Assert.Equal(4.5f, ((x + .5).pow(2) * 2)[0].item<float>());
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            collector.Join();
        }
    }
}
