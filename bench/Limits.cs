namespace LongTake.Bench;

/// <summary>What this machine can do at most through libtorch: products of matrices, and moving memory.</summary>
internal static class Limits
{
    private const int Side = 1024;

    /// <summary>GFLOP of one product of <see cref="Product"/>.</summary>
    public const double Work = 2.0 * Side * Side * Side / 1e9;

    /// <summary>
    /// One product of two 1024x1024 matrices, timed over at least a tenth of a second; the tensors belong to the scope
    /// that is open now.
    /// </summary>
    public static Func<double> Product(ScalarType dtype = ScalarType.BFloat16)
    {
        var a = torch.full([Side, Side], 1.0 / Side).to(dtype);
        return Turns.Of(() => a.matmul(a), least: 0.1);
    }

    public static IEnumerable<Row> Rows()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        const long words = 1 << 26; // 256 MiB, far beyond the caches
        using var python = Python.Start("limits.py", Side, words);
        foreach (
            var (dtype, name) in ((ScalarType, string)[])
                [(ScalarType.Float32, "float32"), (ScalarType.BFloat16, "bfloat16")]
        )
        {
            var s = Turns.Run(7, python is null ? [Product(dtype)] : [Product(dtype), python.Of(name)]);
            yield return Row.Rate($"limit.matrix, {name}", Work, s[0], Work, s.ElementAtOrDefault(1), Python.Name) with
            {
                Note = $"{Side}x{Side}",
            };
        }
        var (from, to) = (torch.zeros([words]), torch.zeros([words]));
        var copy = Turns.Of(() => to.copy_(from), least: 0.2);
        var t = Turns.Run(5, python is null ? [copy] : [copy, python.Of("copy")]);
        var bytes = 8.0 * words / 1e9;
        yield return Row.Rate("limit.memory", bytes, t[0], bytes, t.ElementAtOrDefault(1), Python.Name, "GB/s") with
        {
            Note = "copy of 256 MiB, bytes read and written",
        };
    }
}
