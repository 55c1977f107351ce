using System.Text;

namespace LongTake.Torch;

/// <summary>
/// One operator of libtorch, looked up at first use. The name may carry the arguments LongTake passes,
/// "aten::softmax.int(self, dim, dtype)"; a test holds them against the schema of the installed libtorch.
/// </summary>
public sealed unsafe class Op
{
    private static readonly List<Op> all = [];
    private IntPtr handle;

    /// <summary>Declares the operator; it is looked up when first called.</summary>
    public Op(string declaration)
    {
        var open = declaration.IndexOf('(');
        Name = open < 0 ? declaration : declaration[..open];
        Arguments = open < 0 ? [] : declaration[(open + 1)..^1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        lock (all) all.Add(this);
    }

    /// <summary>Name with overload, for example "aten::add.Tensor".</summary>
    public string Name { get; }

    /// <summary>The argument names LongTake relies on, in order.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>Every operator declared so far.</summary>
    public static IReadOnlyList<Op> All { get { lock (all) return [.. all]; } }

    /// <summary>True when the installed libtorch has this operator.</summary>
    public static bool Exists(string name)
    {
        try { return Find(name) != IntPtr.Zero; }
        catch (TorchException) { return false; }
    }

    /// <summary>The declaration the installed libtorch reports.</summary>
    public string Schema => Native.Text((text, n) => Native.lt_schema(Handle, text, n));

    private IntPtr Handle => handle != IntPtr.Zero ? handle : handle = Find(Name);

    private static IntPtr Find(string name)
    {
        var dot = name.IndexOf('.');
        Native.Check(Native.lt_find(dot < 0 ? name : name[..dot], dot < 0 ? "" : name[(dot + 1)..], out var found));
        return found;
    }

    /// <summary>Calls and returns the one tensor that results.</summary>
    public Tensor One(params ReadOnlySpan<Value> arguments)
    {
        Value result = default;
        Call(arguments, new Span<Value>(ref result));
        return Wrap(result);
    }

    /// <summary>Calls and returns two tensors.</summary>
    public (Tensor, Tensor) Two(params ReadOnlySpan<Value> arguments)
    {
        Span<Value> results = stackalloc Value[4];
        Call(arguments, results);
        return (Wrap(results[0]), Wrap(results[1]));
    }

    /// <summary>Calls and returns every tensor that results (a tensor list is flattened).</summary>
    public Tensor[] Many(params ReadOnlySpan<Value> arguments)
    {
        Span<Value> results = stackalloc Value[512];
        var made = Call(arguments, results);
        var list = new Tensor[made];
        for (var i = 0; i < made; i++) list[i] = Wrap(results[i]);
        return list;
    }

    /// <summary>Calls an operator whose result is dropped (in-place operators, backward).</summary>
    public void Run(params ReadOnlySpan<Value> arguments)
    {
        Span<Value> results = stackalloc Value[16];
        var made = Call(arguments, results);
        for (var i = 0; i < made; i++)
            if (results[i].Tag == Value.Kind.Tensor) Native.Check(Native.lt_free(results[i].Pointer));
    }

    /// <summary>Calls an operator whose result is a number or a truth value.</summary>
    public double Number(params ReadOnlySpan<Value> arguments)
    {
        Value result = default;
        Call(arguments, new Span<Value>(ref result));
        return result.Tag == Value.Kind.Real ? result.Real : result.Integer;
    }

    private int Call(ReadOnlySpan<Value> arguments, Span<Value> results)
    {
        int made = 0, status;
        fixed (Value* from = arguments)
        fixed (Value* to = results)
            status = Native.lt_call(Handle, from, arguments.Length, to, results.Length, &made);
        if (status != 0) throw new TorchException(Failure(Native.Error, arguments));
        return made;
    }

    private Tensor Wrap(Value result) => result.Tag == Value.Kind.Tensor
        ? new Tensor(result.Pointer)
        : throw new TorchException($"{Name}: the result is not a tensor");

    private string Failure(string reason, ReadOnlySpan<Value> arguments)
    {
        var text = new StringBuilder($"{Name}: {reason.ReplaceLineEndings(" ").Trim()}");
        foreach (var a in arguments)
        {
            if (a.Tag == Value.Kind.Tensor) text.Append($" ({Tensor.Describe(a.Pointer)})");
            if (a.Tag is Value.Kind.Tensors)
                for (var i = 0; i < Math.Min(4, a.Length); i++) text.Append($" ({Tensor.Describe(((IntPtr*)a.Pointer)[i])})");
        }
        return text.ToString();
    }
}
