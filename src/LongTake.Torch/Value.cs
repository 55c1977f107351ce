using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace LongTake.Torch;

/// <summary>
/// One argument or result of an operator: 16 bytes, laid out as lt_value. Lists and texts are copied into a ring of the
/// calling thread, which outlives the expression they stand in.
/// </summary>
[StructLayout(LayoutKind.Explicit, Size = 16)]
public readonly unsafe struct Value
{
    internal enum Kind { None, Tensor, Int, Real, Bool, Ints, Reals, Tensors, OptionalTensors, Text, Device, Generator }

    [FieldOffset(0)] internal readonly Kind Tag;
    [FieldOffset(4)] internal readonly int Length;
    [FieldOffset(8)] internal readonly IntPtr Pointer;
    [FieldOffset(8)] internal readonly long Integer;
    [FieldOffset(8)] internal readonly double Real;

    private Value(Kind tag, IntPtr pointer, int length) => (Tag, Pointer, Length) = (tag, pointer, length);
    private Value(Kind tag, long integer) => (Tag, Integer) = (tag, integer);
    private Value(double real) => (Tag, Real) = (Kind.Real, real);

    /// <summary>No value: an optional argument that is not given.</summary>
    public static Value None => default;

    public static implicit operator Value(Tensor? tensor) =>
        tensor is null ? default : new(Kind.Tensor, tensor.Handle, 0);
    public static implicit operator Value(long integer) => new(Kind.Int, integer);
    public static implicit operator Value(int integer) => new(Kind.Int, (long)integer);
    public static implicit operator Value(double real) => new(real);
    public static implicit operator Value(bool flag) => new(Kind.Bool, flag ? 1 : 0);
    public static implicit operator Value(Dtype dtype) => new(Kind.Int, (long)dtype);
    public static implicit operator Value(Generator generator) => new(Kind.Generator, generator.Handle, 0);
    public static implicit operator Value(ReadOnlySpan<long> list) => new(Kind.Ints, Ring.Copy(list), list.Length);
    public static implicit operator Value(long[] list) => (ReadOnlySpan<long>)list;
    public static implicit operator Value(ReadOnlySpan<double> list) => new(Kind.Reals, Ring.Copy(list), list.Length);

    /// <summary>A list of tensors.</summary>
    public static Value List(ReadOnlySpan<Tensor> list) => new(Kind.Tensors, Handles(list), list.Length);

    /// <summary>A list of tensors of which some may be missing (as indices are).</summary>
    public static Value OptionalList(ReadOnlySpan<Tensor?> list) => new(Kind.OptionalTensors, Handles(list), list.Length);

    /// <summary>A text argument.</summary>
    public static Value Text(string text) => new(Kind.Text, Ring.Copy<byte>(Encoding.UTF8.GetBytes(text)), Encoding.UTF8.GetByteCount(text));

    /// <summary>A device such as "cpu" or "cuda:0".</summary>
    public static Value Device(string device) => new(Kind.Device, Ring.Copy<byte>(Encoding.UTF8.GetBytes(device)), Encoding.UTF8.GetByteCount(device));

    private static IntPtr Handles(ReadOnlySpan<Tensor?> list)
    {
        var to = Ring.Take(list.Length * sizeof(IntPtr));
        for (var i = 0; i < list.Length; i++) ((IntPtr*)to)[i] = list[i]?.Handle ?? IntPtr.Zero;
        return to;
    }

    /// <summary>Memory for lists: a ring per thread, so that a call allocates nothing and nothing has to be freed.</summary>
    private static class Ring
    {
        private const int Size = 1 << 20;
        [ThreadStatic] private static IntPtr start;
        [ThreadStatic] private static int next;

        internal static IntPtr Take(int bytes)
        {
            if (bytes > Size / 8) throw new TorchException($"a list of {bytes} bytes is too long for an operator call (at most {Size / 8})");
            if (start == IntPtr.Zero) start = Marshal.AllocHGlobal(Size);
            if (next + bytes > Size) next = 0;
            var at = start + next;
            next += (bytes + 15) & ~15;
            return at;
        }

        internal static IntPtr Copy<T>(ReadOnlySpan<T> list) where T : unmanaged
        {
            var to = Take(Math.Max(1, list.Length * sizeof(T)));
            list.CopyTo(new Span<T>((void*)to, list.Length));
            return to;
        }
    }
}
