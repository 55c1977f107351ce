using System.Collections.Concurrent;

namespace LongTake.Data;

/// <summary>A list of items that any number of processes work off together, each item once.</summary>
internal static class SharedWork
{
    /// <summary>
    /// Does every item that is not done, <paramref name="workers"/> at a time, and returns when all are, whoever did
    /// them. An item that fails does not stop the others.
    /// </summary>
    /// <param name="report">Called after each item with how many are done, and with what is waited for.</param>
    /// <exception cref="UserException">Items failed: how many, and the first reason.</exception>
    public static void Run<T>(
        IReadOnlyList<T> items,
        Func<T, string> key,
        Func<T, bool> done,
        Action<T> work,
        Claims claims,
        int workers,
        Action<int, string> report,
        CancellationToken cancel
    )
        where T : notnull
    {
        var count = 0;
        var failed = new ConcurrentQueue<UserException>();
        IReadOnlyList<T> pending = items;
        while (pending.Count > 0)
        {
            var left = new ConcurrentBag<(int At, T Item)>();
            var before = count;
            try
            {
                Parallel.ForEach(
                    Partitioner.Create(pending.Index(), EnumerablePartitionerOptions.NoBuffering),
                    new() { MaxDegreeOfParallelism = workers, CancellationToken = cancel },
                    entry =>
                    {
                        var (at, item) = entry;
                        var name = key(item);
                        if (!done(item))
                        {
                            if (!claims.Take(name))
                            {
                                left.Add((at, item));
                                return;
                            }
                            try
                            {
                                if (!done(item))
                                    work(item);
                            }
                            catch (UserException e)
                            {
                                failed.Enqueue(e);
                            }
                            finally
                            {
                                claims.Release(name);
                            }
                        }
                        report(Interlocked.Increment(ref count), "");
                    }
                );
            }
            catch (AggregateException e)
            {
                var inner = e.Flatten().InnerExceptions;
                cancel.ThrowIfCancellationRequested();
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(inner[0]);
            }
            pending = [.. left.OrderBy(l => l.At).Select(l => l.Item)];
            if (pending.Count == 0 || count > before)
                continue;
            report(count, $"waiting for {pending.Count} that other processes work on");
            cancel.WaitHandle.WaitOne(250);
            cancel.ThrowIfCancellationRequested();
        }
        if (failed.TryDequeue(out var first))
            throw new UserException(
                failed.IsEmpty
                    ? first.Message
                    : $"{failed.Count + 1} of {items.Count} failed; the first: {first.Message}",
                inner: first
            );
    }
}
