using LongTake.Kernels;
using static TorchSharp.torch;

namespace LongTake.Tests.Kernels;

/// <summary>The parallel loop.</summary>
[Collection("Alone")]
public class WorkersTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(6)]
    public void EveryTaskRunsOnceNestedOnesToo(int threads)
    {
        Workers.Count = threads;
        try
        {
            for (var round = 0; round < 300; round++)
            {
                var seen = new int[37 * 5];
                Workers.For(37, i => Workers.For(5, j => Interlocked.Increment(ref seen[5 * i + j])));
                Assert.All(seen, x => Assert.Equal(1, x));
            }
            Workers.For(0, _ => Assert.Fail("there is no task"));
        }
        finally
        {
            Workers.Count = 0;
        }
    }

    [Fact]
    public void AnExceptionIsPassedOnAndTheNextLoopRuns()
    {
        Workers.Count = 3;
        try
        {
            for (var round = 0; round < 50; round++)
            {
                var thrown = Assert.Throws<InvalidOperationException>(() => Workers.For(20, i =>
                    {
                        if (i == 7)
                            throw new InvalidOperationException("seven");
                    }));
                Assert.Equal("seven", thrown.Message);
                var count = 0;
                Workers.For(20, _ => Interlocked.Increment(ref count));
                Assert.Equal(20, count);
            }
        }
        finally
        {
            Workers.Count = 0;
        }
    }

    [Fact]
    public void SeveralCallersDoNotWaitForEachOther()
    {
        Workers.Count = 2;
        try
        {
            var total = 0;
            var callers = Enumerable
                .Range(0, 4)
                .Select(_ => new Thread(() =>
                {
                    for (var round = 0; round < 200; round++)
                        Workers.For(9, _ => Interlocked.Increment(ref total));
                }))
                .ToArray();
            foreach (var caller in callers)
                caller.Start();
            foreach (var caller in callers)
                caller.Join();
            Assert.Equal(4 * 200 * 9, total);
        }
        finally
        {
            Workers.Count = 0;
        }
    }
}
