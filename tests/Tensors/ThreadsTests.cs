using LongTake.Nn;

namespace LongTake.Tests.Tensors;

/// <summary>
/// Work that is shared is done by other threads too: their processor time grows. libtorch's parallel loop silently
/// becomes a plain one in a source file that is compiled without OpenMP, and no value tells.
/// </summary>
[Collection(nameof(Alone))]
public class ThreadsTests
{
    public static TheoryData<string> Operators =>
        ["attention", "axial attention", "attention, backward", "linear", "layer norm", "gelu"];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void EveryOperatorSharesItsWork(string name)
    {
        Skip.IfNot(
            OperatingSystem.IsLinux() && Environment.ProcessorCount > 1,
            "processor time of a thread is read from Linux, and two processors are wanted"
        );
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var q = torch.randn([1, 512, 4, 64], generator: g);
        var tokens = torch.randn([4096, 256], generator: g).to(ScalarType.BFloat16);
        var (weight, row) = (torch.randn([256, 256], generator: g), torch.randn([256], generator: g));
        var threads = Libtorch.Threads;
        try
        {
            Libtorch.Threads = 2;
            Action work = name switch
            {
                "attention" => () => Attention.Full(q, q, q),
                "axial attention" => () => Attention.Axial(q, q, q, 32),
                "attention, backward" => () => Attention.Full(q.clone().requires_grad_(), q, q).sum().Backward(),
                "linear" => () => Products.Linear(tokens, weight, row),
                "layer norm" => () => Elementwise.LayerNorm(tokens, row, row, 0, 1e-6, ScalarType.BFloat16),
                "gelu" => () => Elementwise.Gelu(tokens, tanh: true),
                _ => throw new ArgumentOutOfRangeException(nameof(name)),
            };
            work();
            var (here, elsewhere) = (Here(), Elsewhere());
            for (var i = 0; i < 2000 && Here() - here < 100e6; i++)
            {
                using var inner = torch.NewDisposeScope();
                work();
            }
            var (own, others) = (Here() - here, Elsewhere() - elsewhere);
            Assert.True(others > 0.3 * own, $"this thread took {own / 1e6:0} ms, the others {others / 1e6:0}");
        }
        finally
        {
            Libtorch.Threads = threads;
        }
    }

    // Nanoseconds of processor of this thread, and of the others of the process.
    private static double Here() => Spent("/proc/thread-self");

    private static double Elsewhere() => Directory.GetDirectories("/proc/self/task").Sum(Spent) - Here();

    private static double Spent(string task)
    {
        try
        {
            return double.Parse(
                File.ReadAllText(Path.Combine(task, "schedstat")).Split(' ')[0],
                System.Globalization.CultureInfo.InvariantCulture
            );
        }
        catch (IOException)
        {
            return 0;
        } // it has ended
    }
}
