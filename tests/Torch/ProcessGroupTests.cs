using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace LongTake.Tests.Torch;

/// <summary>Two ranks as two threads of one process, over the loopback.</summary>
public class ProcessGroupTests
{
    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static void OnTwoRanks(Action<ProcessGroup> work)
    {
        Skip.IfNot(Libtorch.Features.Contains("gloo"), "this native library was built without Gloo");
        var (port, failures) = (FreePort(), new Exception?[2]);
        var threads = Enumerable.Range(0, 2).Select(rank => new Thread(() =>
        {
            try
            {
                using var scope = new Scope();
                using var group = new ProcessGroup("gloo", "127.0.0.1", port, rank, 2, TimeSpan.FromSeconds(20));
                work(group);
                group.Barrier();   // rank 0 holds the meeting point: it leaves last
            }
            catch (Exception e) { failures[rank] = e; }
        })).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        if (failures.FirstOrDefault(f => f is not null) is { } failure) throw new InvalidOperationException(failure.Message, failure);
    }

    [SkippableFact]
    public void AllReduceAddsAveragesAndTakesTheMaximum() => OnTwoRanks(group =>
    {
        Tensor Mine() => Tensor.From([1f + group.Rank, -4f * group.Rank]);
        Assert.Equal([3f, -4f], group.AllReduce_(Mine()).ToArray<float>());
        Assert.Equal([1.5f, -2f], group.AllReduce_(Mine(), Reduction.Mean).ToArray<float>());
        Assert.Equal([2f, 0f], group.AllReduce_(Mine(), Reduction.Max).ToArray<float>());
        Assert.Equal([1.5f, -2f], group.AllReduce_(Mine().To(Dtype.BF16), Reduction.Mean).To(Dtype.F32).ToArray<float>());
    });

    [SkippableFact]
    public void AllReduceWorksInPlaceOnAViewOfAParameter() => OnTwoRanks(group =>
    {
        var parameter = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f], 2, 3).RequiresGrad_();
        group.AllReduce_(parameter.Detach().Transpose(0, 1));
        Assert.Equal([2f, 4f, 6f, 8f, 10f, 12f], parameter.Detach().ToArray<float>());
    });

    [SkippableTheory]
    [InlineData(Dtype.F32), InlineData(Dtype.BF16), InlineData(Dtype.I64), InlineData(Dtype.Bool)]
    public void WhatOnlyMovesTakesEveryElementType(Dtype dtype) => OnTwoRanks(group =>
    {
        float[] Of(Tensor x) => x.To(Dtype.F32).ToArray<float>();
        var r = (float)group.Rank;
        Assert.Equal([1f, 0f], Of(group.Broadcast_(Tensor.From([r, 1 - r]).To(dtype), root: 1)));
        var gathered = group.AllGather(Tensor.From([r, 1f], 1, 2).To(dtype));
        Assert.Equal([2, 2], gathered.Shape);
        Assert.Equal([0f, 1f, 1f, 1f], Of(gathered));
        // Row i goes to rank i: rank 0 gets both first rows.
        var swapped = group.AllToAll(Tensor.From([r, 0f, r, 1f], 2, 2).To(dtype));
        Assert.Equal([0f, r, 1f, r], Of(swapped));
    });

    [SkippableFact]
    public void ReduceScatterIsAllReduceAndOnesOwnPart() => OnTwoRanks(group =>
    {
        var x = Tensor.From([1f, 2f, 3f, 4f, 5f, 6f, 7f, 8f], 4, 2) * (1.0 + group.Rank);
        var part = group.ReduceScatter(x, Reduction.Mean);
        var whole = group.AllReduce_(x.Clone(), Reduction.Mean);
        Assert.Equal([2, 2], part.Shape);
        Assert.True(Equal(whole.Slice(0, (2 * group.Rank)..(2 * group.Rank + 2)), part));
        Assert.Contains("does not divide", Assert.Throws<TorchException>(() => group.ReduceScatter(x[..3])).Message);
    });

    [SkippableFact]
    public void ARankThatStaysAwayEndsInAnErrorThatNamesRankAndVerb()
    {
        Skip.IfNot(Libtorch.Features.Contains("gloo"), "this native library was built without Gloo");
        var port = FreePort();
        using var scope = new Scope();
        using var done = new ManualResetEventSlim();
        Exception? failure = null;
        var other = new Thread(() =>
        {
            try
            {
                using var group = new ProcessGroup("gloo", "127.0.0.1", port, 1, 2, TimeSpan.FromSeconds(30));
                done.Wait();
            }
            catch (Exception e) { failure = e; }
        });
        other.Start();
        // Long enough to meet on a busy machine: the same patience holds for meeting and for waiting.
        using var group = new ProcessGroup("gloo", "127.0.0.1", port, 0, 2, TimeSpan.FromSeconds(5));
        var watch = Stopwatch.StartNew();
        var e = Assert.Throws<TorchException>(() => group.AllReduce_(Tensor.From([1f, 2f])));
        done.Set();
        other.Join();
        Assert.Null(failure);
        Assert.Contains("rank 0 of 2, gloo: AllReduce (F32 [2] cpu)", e.Message);
        Assert.InRange(watch.Elapsed.TotalSeconds, 4, 25);
    }

    [Fact]
    public void ARendezvousNobodyHoldsEndsInAnError()
    {
        var e = Assert.Throws<TorchException>(
            () => new ProcessGroup("gloo", "127.0.0.1", FreePort(), 1, 2, TimeSpan.FromSeconds(1)));
        Assert.Contains("rank 1 of 2, gloo: joining at 127.0.0.1", e.Message);
        Assert.DoesNotContain("\n", e.Message);
    }

    [SkippableFact]
    public void NoWorldSizeMeansNoGroup()
    {
        Skip.IfNot(string.IsNullOrEmpty(Environment.GetEnvironmentVariable("WORLD_SIZE")), "a launcher started these tests");
        Assert.Null(ProcessGroup.FromEnvironment());
    }
}
