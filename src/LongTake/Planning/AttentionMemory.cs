namespace LongTake.Planning;

/// <summary>
/// Workspace of the attention kernels of the CPU (native/attention_kernel.cpp, attention_few.h), whose sizes these are, for so many
/// threads (0: one a core). <paramref name="heads"/> are those of all samples together.
/// </summary>
internal sealed class AttentionMemory(double headDim, double compute, int threads)
{
    private const double Float = 4, QueryBlock = 144, KeyBlock = 96, QueryGrain = 48, KeyGrain = 24, WidthGrain = 16, WantTasks = 32, Pass = 48, Chunk = 480;

    private readonly double width = Up(headDim, WidthGrain);

    public static double Up(double x, double grain) => Math.Ceiling(x / grain) * grain;

    private double Workers(double tasks) => Math.Min(threads > 0 ? threads : Environment.ProcessorCount, tasks);

    // Few keys have a kernel of their own, which packs nothing.
    private bool Few(double keys) => keys <= 32 && headDim <= 256;

    private double FewScratch(double keys) => Float * (6 * Up(keys, 8) * width + 6 * Pass * width + 3 * Up(keys, 8) * Pass + 8 * Pass) + 2048;

    public double Forward(double heads, double queries, double keys) => Few(keys)
        ? Workers(heads * Math.Ceiling(queries / Chunk)) * FewScratch(keys)
        : Workers(heads * Math.Ceiling(queries / QueryBlock)) * (Float * QueryBlock * (3 * width + 2 * KeyBlock + 4) + 1024) + 2 * heads * Up(keys, KeyGrain) * width * compute;

    public double Backward(double heads, double queries, double keys)
    {
        var (chunks, n) = (Math.Ceiling(queries / Chunk), Up(queries, QueryGrain));
        if (Few(keys)) return Workers(heads * chunks) * FewScratch(keys) + (chunks > 1 ? heads * chunks * 2 * Up(keys, 8) * width * Float : 0);
        var groups = Math.Clamp(Math.Ceiling(WantTasks / heads), 1, Math.Ceiling(Up(keys, KeyGrain) / KeyBlock));
        return Workers(heads * groups) * (Float * KeyBlock * (5 * width + 3 * QueryBlock) + 1024)
            + heads * (4 * Up(n, QueryBlock) * width * compute + 2 * Float * n + groups * n * width * Float);
    }
}
