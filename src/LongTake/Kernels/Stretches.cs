using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// How tokens [..., width] are cut into pieces of work. Scale, shift or gate are rows [width], each for a run of
/// consecutive tokens; a piece is at most <see cref="Length"/> tokens of one run. Gradients of rows are summed within
/// pieces and then over them, both in a fixed order, so they do not depend on the number of threads.
/// </summary>
internal readonly struct Stretches
{
    /// <summary>Tokens of a piece.</summary>
    public const int Length = 64;

    /// <summary>Number of tokens, their width, the rows, tokens of a row, and pieces of a row.</summary>
    public readonly long Tokens,
        Width,
        Rows,
        Run,
        Parts;
    private readonly int together;

    /// <summary>
    /// For tokens of some sizes and a row tensor of others: equal up to some dimension, then ones, then the width; as
    /// broadcasting has it, a row tensor may have fewer dimensions.
    /// </summary>
    /// <exception cref="ArgumentException">The row tensor does not fit.</exception>
    public Stretches(ReadOnlySpan<long> tokens, ReadOnlySpan<long> row)
    {
        if (tokens.Length == 0)
            throw new ArgumentException("a single number has no last dimension to work over");
        Width = tokens[^1];
        Tokens = 1;
        foreach (var size in tokens[..^1])
            Tokens *= size;
        Rows = 1;
        var fits = row.Length > 0 && row.Length <= tokens.Length && row[^1] == Width && Width > 0 && Tokens > 0;
        var equal = row.Length == tokens.Length;
        for (var i = 0; fits && i < row.Length - 1; i++)
        {
            equal = equal && row[i] == tokens[i + tokens.Length - row.Length];
            fits = equal || row[i] == 1;
            Rows *= row[i];
        }
        if (!fits)
        {
            throw new ArgumentException(
                $"rows [{string.Join(", ", row.ToArray())}] are not for runs of the tokens "
                    + $"[{string.Join(", ", tokens.ToArray())}]"
            );
        }
        Run = Tokens / Rows;
        Parts = (Run + Length - 1) / Length;
        together = (int)Math.Clamp(Dispatch.Grain / (Math.Min(Run, Length) * Width), 1, 64);
    }

    /// <summary>Number of pieces.</summary>
    public long Pieces => Rows * Parts;

    /// <summary>Number of tasks, each some pieces.</summary>
    public int Tasks => (int)((Pieces + together - 1) / together);

    /// <summary>Number of elements of all tokens.</summary>
    public long Elements => Tokens * Width;

    /// <summary>First piece of a task, and the piece after its last.</summary>
    public (long From, long To) Task(int task) =>
        ((long)task * together, Math.Min(((long)task + 1) * together, Pieces));

    /// <summary>Row of a piece, its first token, and the token after its last.</summary>
    public (long Row, long From, long To) Piece(long piece)
    {
        var row = piece / Parts;
        var from = row * Run + piece % Parts * Length;
        return (row, from, Math.Min(from + Length, (row + 1) * Run));
    }

    /// <summary>Float32 memory for a sum of every piece: [rows, parts, width].</summary>
    public Tensor Sums() => empty([Rows, Parts, Width], ScalarType.Float32);

    /// <summary>The sums of the pieces of each row, in the sizes and type of the row tensor.</summary>
    public Tensor Total(Tensor sums, long[] sizes, ScalarType type)
    {
        if (Parts == 1)
            return sums.view(sizes).to(type);
        var total = empty(sizes, ScalarType.Float32);
        Dispatch.Run(
            new TotalTasks(this, sums, total),
            ScalarType.Float32,
            ScalarType.Float32,
            (int)(Rows * Bands),
            Rows * Parts * Width
        );
        GC.KeepAlive(sums);
        return total.to(type);
    }

    private long Bands => (Width + TotalTasks.Band - 1) / TotalTasks.Band;

    private readonly unsafe struct TotalTasks(Stretches s, Tensor sums, Tensor total) : ITasks
    {
        public const int Band = 128;
        private readonly float* from = (float*)TensorMemory.Pointer(sums);
        private readonly float* to = (float*)TensorMemory.Pointer(total);

        public void Run<TFloats, TIn, TOut>(int task)
            where TFloats : unmanaged, IFloats<TFloats>
            where TIn : unmanaged
            where TOut : unmanaged
        {
            var row = task / s.Bands;
            var first = task % s.Bands * Band;
            var last = Math.Min(first + Band, s.Width);
            var body = last - (last - first) % TFloats.Width;
            Columns<TFloats>(row, first, body);
            Columns<Float1>(row, body, last);
        }

        private void Columns<TFloats>(long row, long first, long last)
            where TFloats : unmanaged, IFloats<TFloats>
        {
            for (var i = first; i < last; i += TFloats.Width)
            {
                var at = from + row * s.Parts * s.Width + i;
                var sum = TFloats.Load(at);
                for (var part = 1L; part < s.Parts; part++)
                    sum += TFloats.Load(at + part * s.Width);
                TFloats.Store(to + row * s.Width + i, sum);
            }
        }
    }
}

/// <summary>
/// Rows of float32 at a fixed distance: a tensor of the sizes that <see cref="Stretches"/> takes, or a copy of it in
/// order.
/// </summary>
internal readonly unsafe struct RowMemory
{
    /// <summary>The first row.</summary>
    public readonly float* First;

    /// <summary>Elements from one row to the next.</summary>
    public readonly long Step;
    private readonly Tensor kept;

    /// <summary>Of any element type; copies only what is not float32 or lies out of order.</summary>
    public RowMemory(Tensor rows)
    {
        kept = rows;
        if (rows.dtype != ScalarType.Float32 || !Even(rows, out Step))
        {
            kept = rows.to(ScalarType.Float32).contiguous();
            Step = rows.size(-1);
        }
        First = (float*)TensorMemory.Pointer(kept);
    }

    /// <summary>Keeps the memory until here.</summary>
    public void KeepAlive() => GC.KeepAlive(kept);

    // Elements of a row side by side, and rows at one distance in the order of the sizes.
    private static bool Even(Tensor rows, out long step)
    {
        var (sizes, strides) = (rows.shape, rows.stride());
        step = 0;
        if (strides[^1] != 1 && sizes[^1] != 1)
            return false;
        var span = 1L;
        for (var i = sizes.Length - 2; i >= 0; i--)
        {
            if (sizes[i] == 1)
                continue;
            if (step == 0)
                step = strides[i];
            else if (strides[i] != span * step)
                return false;
            span *= sizes[i];
        }
        return true;
    }
}
