using LongTake.Nn;

namespace LongTake.Tests.Torch;

/// <summary>
/// Work that is shared is done by other threads too: their processor time grows. libtorch's parallel loop silently becomes a plain one in a source file that is
/// compiled without OpenMP, and no value tells.
/// </summary>
[Collection(nameof(Alone))]
public class ThreadsTests
{
    public static TheoryData<string> Operators => ["attention", "axial attention", "attention, backward", "convolution", "pixel norm", "bytes", "linear", "linear, backward", "layer norm", "gelu"];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void EveryOperatorSharesItsWork(string name)
    {
        Skip.IfNot(OperatingSystem.IsLinux() && Environment.ProcessorCount > 1, "processor time of a thread is read from Linux, and two processors are wanted");
        using var scope = new Scope();
        using var g = new Generator(1);
        var q = g.Normal(1, 512, 4, 64);
        var tokens = g.Normal(4096, 256).To(Dtype.BF16);
        var (weight, row) = (g.Normal(256, 256), g.Normal(256));
        var (pixels, kernel) = (g.Normal(1, 16, 4, 64, 64), g.Normal(16, 16, 3, 3, 3));
        using var bytes = new Int8Matrix(weight);
        var threads = Libtorch.Threads;
        try
        {
            Libtorch.Threads = 2;
            Action work = name switch
            {
                "attention" => () => Attention.Full(q, q, q),
                "axial attention" => () => Attention.Axial(q, q, q, 32),
                "attention, backward" => () => Sum(Attention.Full(q.Clone().RequiresGrad_(), q, q)).Backward(),
                "convolution" => () => Convolution.Causal(pixels, null, kernel, Zeros([16])),
                "pixel norm" => () => Convolution.PixelNorm(pixels, Zeros([16]), silu: true),
                "bytes" => () => bytes.Linear(tokens, row),
                "linear" => () => Products.Linear(tokens, weight, row, ProductKind.Int16),
                "linear, backward" => () => Sum(Products.Linear(tokens.Clone().RequiresGrad_(), weight, row, ProductKind.Int16).To(Dtype.F32)).Backward(),
                "layer norm" => () => Elementwise.LayerNorm(tokens, row, row, 0, 1e-6, Dtype.BF16),
                "gelu" => () => Gelu(tokens, tanh: true),
                _ => throw new ArgumentOutOfRangeException(nameof(name)),
            };
            work();
            var (here, elsewhere) = (Here(), Elsewhere());
            for (var i = 0; i < 2000 && Here() - here < 100e6; i++)
            {
                using var inner = new Scope();
                work();
            }
            var (own, others) = (Here() - here, Elsewhere() - elsewhere);
            Assert.True(others > 0.6 * own, $"this thread took {own / 1e6:0} ms, the others {others / 1e6:0}");
        }
        finally { Libtorch.Threads = threads; }
    }

    // Nanoseconds of processor of this thread, and of the others of the process.
    private static double Here() => Spent("/proc/thread-self");
    private static double Elsewhere() => Directory.GetDirectories("/proc/self/task").Sum(Spent) - Here();

    private static double Spent(string task)
    {
        try { return double.Parse(File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture); }
        catch (IOException) { return 0; }   // it has ended
    }
}
