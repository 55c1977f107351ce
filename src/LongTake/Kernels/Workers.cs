using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// Loops in parallel over a small fixed set of long-lived threads and the caller. A task is a fixed piece of work,
/// whichever thread takes it, so results never depend on the number of threads.
/// </summary>
internal static class Workers
{
    // About 20 microseconds: longer than the gap between two kernels, shorter than what would disturb others.
    private const int SpinRounds = 200;

    private sealed class Loop(int tasks, Action<int> body, int helpers)
    {
        private int next;
        private int busy = helpers;
        private Exception? failure;

        public ExceptionDispatchInfo? Failure => failure is null ? null : ExceptionDispatchInfo.Capture(failure);
        public bool Done => Volatile.Read(ref busy) == 0;

        public void Run()
        {
            inside = true;
            try
            {
                while (true)
                {
                    var task = Interlocked.Increment(ref next) - 1;
                    if (task >= tasks)
                        break;
                    body(task);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, e, null);
                Volatile.Write(ref next, tasks);
            }
            finally
            {
                inside = false;
            }
        }

        public void Leave()
        {
            if (Interlocked.Decrement(ref busy) > 0)
                return;
            lock (this)
                Monitor.Pulse(this);
        }

        public void Wait()
        {
            for (var round = 0; round < SpinRounds && !Done; round++)
                Thread.SpinWait(8);
            if (Done)
                return;
            lock (this)
                while (!Done)
                    Monitor.Wait(this);
        }
    }

    private sealed class Helper
    {
        private Loop? given;

        public Helper(int number)
        {
            var thread = new Thread(Serve) { IsBackground = true, Name = $"LongTake worker {number}" };
            thread.Start();
        }

        public void Give(Loop loop)
        {
            lock (this)
            {
                given = loop;
                Monitor.Pulse(this);
            }
        }

        private void Serve()
        {
            while (true)
            {
                for (var round = 0; round < SpinRounds && Volatile.Read(ref given) is null; round++)
                    Thread.SpinWait(8);
                Loop loop;
                lock (this)
                {
                    while (given is null)
                        Monitor.Wait(this);
                    loop = given;
                    given = null;
                }
                loop.Run();
                loop.Leave();
            }
        }
    }

    [ThreadStatic]
    private static bool inside;

    private static readonly object turn = new();
    private static readonly List<Helper> helpers = [];
    private static int count;

    /// <summary>
    /// Threads that work, the caller among them: those of libtorch unless a number is set; 0 goes back to libtorch's.
    /// </summary>
    public static int Count
    {
        get => count > 0 ? count : torch.get_num_threads();
        set => count = Math.Max(0, value);
    }

    /// <summary>
    /// Calls <paramref name="body"/> with 0 to <paramref name="tasks"/> - 1, each once, in any order, and returns when
    /// all are done. Within a body, and while another thread's loop runs, the loop runs on the calling thread alone.
    /// The first exception of a body ends the loop early and is thrown here.
    /// </summary>
    public static void For(int tasks, Action<int> body)
    {
        var threads = tasks > 1 && !inside ? Math.Min(tasks, Count) : 1;
        if (threads <= 1 || !Monitor.TryEnter(turn))
        {
            for (var task = 0; task < tasks; task++)
                body(task);
            return;
        }
        try
        {
            var loop = new Loop(tasks, body, threads - 1);
            while (helpers.Count < threads - 1)
                helpers.Add(new(helpers.Count + 1));
            for (var i = 0; i < threads - 1; i++)
                helpers[i].Give(loop);
            loop.Run();
            loop.Wait();
            loop.Failure?.Throw();
        }
        finally
        {
            Monitor.Exit(turn);
        }
    }
}
