namespace LongTake.Bench;

/// <summary>Adding two tensors of four floats without gradients: the work is nothing, so this is the price of a call.</summary>
internal static class OperatorCall
{
    public static IEnumerable<Row> Rows()
    {
        const int calls = 20_000;
        using var scope = new Scope();
        using var off = GradMode.Off();
        using var python = Python.Start("op_call.py", calls);
        var (a, b) = (Ones([4]), Ones([4]));
        var freed = Turns.Of(() => { for (var i = 0; i < calls; i++) (a + b).Free(); });
        var scoped = Turns.Of(() =>
        {
            for (var i = 0; i < calls; i += 100)
            {
                using var inner = new Scope();
                for (var k = 0; k < 100; k++) _ = a + b;
            }
        });
        var s = Turns.Run(21, python is null ? [freed, scoped] : [freed, scoped, python.Of("add")]);
        foreach (var (name, at) in ((string, int)[])[("op.call", 0), ("op.call, freed by a scope of 100", 1)])
            yield return Row.Seconds(name, s[at], s.ElementAtOrDefault(2), "PyTorch from Python", 1e9 / calls, "ns") with { Note = python is null ? Python.Absent : "sum of two tensors of 4" };
    }
}
