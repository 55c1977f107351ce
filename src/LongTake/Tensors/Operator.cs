using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// An operator of libtorch by its name and overload, for those that TorchSharp has no method for. Gradients flow
/// through it as through TorchSharp's own. Arguments are all those of its schema, in order; the results' number is the
/// schema's too.
/// </summary>
[SuppressMessage("Naming", "CA1716", Justification = "libtorch calls it so")]
public sealed unsafe class Operator(string name, string overload = "")
{
    private const int Most = 32; // arguments, or results

    // Zero-ended, and never moved: the dispatcher reads them in place.
    private readonly byte[] nameBytes = Pinned(name),
        overloadBytes = Pinned(overload);

    /// <summary>Name and overload, as libtorch writes them.</summary>
    public string Name { get; } = overload.Length > 0 ? $"{name}.{overload}" : name;

    /// <summary>Calls it for its one result, a tensor.</summary>
    public Tensor Call(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc ulong[Most];
        Run(arguments, results);
        return Take(results[0]);
    }

    /// <summary>Calls it for its one result, an integer.</summary>
    public long CallNumber(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc ulong[Most];
        Run(arguments, results);
        return (long)results[0];
    }

    /// <summary>
    /// Calls it for a number of results, all tensors: 0 for an operator that only changes its arguments.
    /// </summary>
    public Tensor[] CallMany(int count, params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc ulong[Most];
        Run(arguments, results);
        var all = new Tensor[count];
        for (var i = 0; i < count; i++)
            all[i] = Take(results[i]);
        return all;
    }

    /// <summary>Calls it for its one result, a list of tensors.</summary>
    public Tensor[] CallList(params ReadOnlySpan<Argument> arguments)
    {
        var results = stackalloc ulong[Most];
        Run(arguments, results);
        var list = (IntPtr)results[0];
        nuint size;
        Check(StableAbi.ListSize(list, &size), arguments);
        var all = new Tensor[size];
        for (nuint i = 0; i < size; i++)
        {
            ulong item;
            Check(StableAbi.ListItem(list, i, &item), arguments);
            all[i] = Take(item);
        }
        Check(StableAbi.DeleteList(list), arguments);
        return all;
    }

    // The stack holds the arguments, which the call takes over, and then the results.
    private void Run(ReadOnlySpan<Argument> arguments, ulong* stack)
    {
        if (arguments.Length > Most)
            throw new ArgumentException($"{Name}: more than {Most} arguments");
        for (var i = 0; i < arguments.Length; i++)
            stack[i] = Pack(arguments[i]);
        fixed (
            byte* name = nameBytes,
                overload = overloadBytes
        )
            Check(StableAbi.CallDispatcher(name, overload, stack, StableAbi.Version), arguments);
        foreach (var argument in arguments)
            GC.KeepAlive(argument.Value);
    }

    private static ulong Pack(in Argument argument)
    {
        if (argument.Value is null)
            return argument.IsOptional
                ? 0UL
                : throw new ArgumentNullException(nameof(argument), "a tensor that is not optional is null");
        var value = argument.Value switch
        {
            Tensor tensor => Give(tensor),
            Tensor[] tensors => List(tensors, Give),
            long[] numbers => List(numbers, n => (ulong)n),
            double[] numbers => List(numbers, BitConverter.DoubleToUInt64Bits),
            _ => argument.Bits,
        };
        if (!argument.IsOptional)
            return value;
        var slot = (ulong*)NativeMemory.Alloc(sizeof(ulong)); // the call frees it
        *slot = value;
        return (ulong)slot;
    }

    private static ulong List<T>(T[] items, Func<T, ulong> pack)
    {
        IntPtr list;
        if (StableAbi.NewList((nuint)items.Length, &list) != 0)
            throw new TorchException("libtorch makes no list");
        foreach (var item in items)
            _ = StableAbi.ListAdd(list, pack(item));
        return (ulong)list;
    }

    private static ulong Give(Tensor tensor)
    {
        IntPtr handle;
        if (StableAbi.NewTensorHandle(tensor.Handle, &handle) != 0)
            throw new TorchException("libtorch makes no handle of a tensor");
        GC.KeepAlive(tensor);
        return (ulong)handle;
    }

    private static Tensor Take(ulong handle) => Tensor.UnsafeCreateTensor((IntPtr)handle);

    private void Check(int status, ReadOnlySpan<Argument> arguments)
    {
        if (status == 0)
            return;
        var texts = new List<string>();
        foreach (var argument in arguments)
            texts.Add(argument.ToString());
        throw new TorchException(
            $"{Name}({string.Join(", ", texts)}) failed; libtorch wrote the reason to standard error"
        );
    }

    private static byte[] Pinned(string text)
    {
        var bytes = GC.AllocateArray<byte>(Encoding.UTF8.GetByteCount(text) + 1, pinned: true);
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}
