using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Nn;

namespace LongTake.Tests.Tensors;

/// <summary>What went wrong for others with TorchSharp and libtorch, each as a test of what happens here.</summary>
[Collection(nameof(Alone))] // live tensors and resident memory are counted
public sealed partial class TorchSharpTests
{
    private static Tensor Random(int seed, params long[] shape)
    {
        using var g = new torch.Generator((ulong)seed);
        return torch.randn(shape, generator: g);
    }

    /// <summary>
    /// Scopes are per thread: work that goes on on another thread after an await has no scope there. A scope opened
    /// here still ends here, and frees what was made here.
    /// </summary>
    [Fact]
    public void ScopesAreOfTheirThread()
    {
        var before = Tensor.TotalCount;
        using (var scope = torch.NewDisposeScope())
        {
            var here = Tensor.From([1f]);
            Tensor? there = null;
            var thread = new Thread(() => there = Tensor.From([2f]));
            thread.Start();
            thread.Join();
            Assert.Equal(1, scope.DisposablesCount); // the other thread's tensor is not among them
            Assert.False(there!.IsInvalid);
            there.Dispose();
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>Jobs side by side, each with scopes of its own, leave nothing.</summary>
    [Fact]
    public void ParallelJobsLeaveNothing()
    {
        var before = Tensor.TotalCount;
        Parallel.For(0, 16, new ParallelOptions { MaxDegreeOfParallelism = 4 }, seed =>
        {
            for (var i = 0; i < 50; i++)
            {
                using var scope = torch.NewDisposeScope();
                var x = Random(seed, 4, 8).requires_grad_();
                Elementwise.Gelu(x, tanh: true).sum().Backward();
            }
        });
        Assert.Equal(before, Tensor.TotalCount);
    }

    /// <summary>
    /// An await may go on on another thread, so none stands where a scope is open: only the generator's stream of
    /// frames, which has no tensors, awaits.
    /// </summary>
    [Fact]
    public void NoSourceAwaitsInsideAScope() =>
        Assert.Equal(
            ["src/LongTake/Generation/VideoGenerator.cs"],
            SourceFiles
                .All()
                .Where(f =>
                    f.Name.StartsWith("src/LongTake/", StringComparison.Ordinal)
                    && SourceFiles.Code(f.Text).Contains("await ", StringComparison.Ordinal)
                )
                .Select(f => f.Name)
        );

    /// <summary>Whether gradients are on is a matter of the thread: another one begins with them on.</summary>
    [Fact]
    public void GradientsAreSwitchedPerThread()
    {
        using var off = torch.no_grad();
        Assert.False(torch.is_grad_enabled());
        var there = false;
        var thread = new Thread(() => there = torch.is_grad_enabled());
        thread.Start();
        thread.Join();
        Assert.True(there);
    }

    /// <summary>
    /// Kernels have threads of their own, which make no tensors: nothing of theirs can be in a graph.
    /// </summary>
    [Fact]
    public void AKernelWithoutGradientsHasNone()
    {
        using var scope = torch.NewDisposeScope();
        var x = Random(1, 64, 256).requires_grad_();
        using (torch.no_grad())
            Assert.False(Elementwise.Gelu(x, tanh: true).requires_grad);
        Assert.True(Elementwise.Gelu(x, tanh: true).requires_grad);
    }

    /// <summary>
    /// Collections at every moment of backward take neither a delegate nor a tensor that libtorch still wants.
    /// </summary>
    [Fact]
    public void CollectionsThroughoutBackwardChangeNothing()
    {
        using var scope = torch.NewDisposeScope();
        var x = Random(1, 1, 16, 2, 32).requires_grad_();
        var scale = Random(2, 1, 1, 1, 32).requires_grad_();
        (float[], float[]) Once()
        {
            var h = x * 1;
            for (var layer = 0; layer < 8; layer++)
            {
                h = Recompute.Run(
                    t =>
                    {
                        var n = Elementwise.LayerNorm(t[0], t[1], t[1], 1, 1e-6, ScalarType.Float32);
                        return Attention.Full(n, n, Elementwise.Gelu(n, tanh: true));
                    },
                    h,
                    scale
                );
            }
            h.sum().Backward();
            var made = (x.grad!.ToArray<float>(), scale.grad!.ToArray<float>());
            (x.grad, scale.grad) = (null, null);
            return made;
        }
        var plain = Once();
        var done = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            for (var i = 0; i < 50; i++)
            {
                var again = Once();
                Assert.Equal(plain.Item1, again.Item1);
                Assert.Equal(plain.Item2, again.Item2);
            }
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }
    }

    /// <summary>An optimiser copies the state it is given: with the source gone it steps as before.</summary>
    [Fact]
    public void ALoadedOptimiserHasMomentsOfItsOwn()
    {
        using var scope = torch.NewDisposeScope();
        using var source = Random(1, 4, 4).abs();
        var expected = source.clone();
        var p = Random(2, 4, 4).requires_grad_();
        using var optimiser = new Optimiser(
            "test",
            [KeyValuePair.Create("a", p)],
            new OptimiserConfig { Beta1 = 0.5, Beta2 = 0.5 }
        );
        optimiser.Load(_ => source, 3);
        source.fill_(0);
        source.Dispose();
        Assert.All(optimiser.State, s => Assert.True(s.Value.SameAs(expected)));
        p.sum().Backward();
        optimiser.Step(1);
        Assert.True(optimiser.State.Single(s => s.Key == "a.m").Value.SameAs(expected * 0.5 + 0.5));
        Assert.True(p.AllFinite());
    }

    /// <summary>
    /// Names, not places, say what is kept: a graph that is to be used twice is, and a gradient of a gradient is there.
    /// </summary>
    [Fact]
    public void KeepingAGraphAndMakingOneAreNotSwapped()
    {
        using var scope = torch.NewDisposeScope();
        var x = Tensor.From([3f]).requires_grad_();
        var cube = (x * x * x).sum();
        var first = torch.autograd.grad([cube], [x], create_graph: true, retain_graph: true)[0];
        Assert.Equal(27, first.ToDouble());
        Assert.Equal(
            18,
            torch.autograd.grad([first.sum()], [x], create_graph: false, retain_graph: true)[0].ToDouble()
        );
        Assert.Equal(27, torch.autograd.grad([cube], [x], create_graph: false, retain_graph: false)[0].ToDouble());
    }

    /// <summary>No modules of TorchSharp and no default device: neither can be without effect here.</summary>
    [Fact]
    public void NothingRestsOnModulesOrADefaultDevice()
    {
        string[] names = ["Sequential(", ".eval()", ".train()", "set_default_device", "nn.Module"];
        Assert.All(SourceFiles.All(), f =>
            Assert.All(names, name => Assert.DoesNotContain(name, SourceFiles.Code(f.Text), StringComparison.Ordinal))
        );
    }

    private static long Resident()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
