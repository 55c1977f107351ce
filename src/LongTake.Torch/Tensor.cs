using System.Runtime.InteropServices;

namespace LongTake.Torch;

/// <summary>
/// A tensor of libtorch. It belongs to the scope that was innermost when it was made (or to <see cref="Weights"/>) and is
/// freed with it; using it afterwards throws.
/// </summary>
public sealed unsafe class Tensor
{
    private static long live;
    private IntPtr handle;
    private Scope? owner;
    private int slot;

    internal Tensor(IntPtr handle)
    {
        this.handle = handle;
        Scope? scope;
        try { scope = Scope.Current; }
        catch (InvalidOperationException) { Native.Check(Native.lt_free(handle)); throw; }
        Interlocked.Increment(ref live);
        scope.Own(this);
    }

    /// <summary>Tensors that exist now, in all threads.</summary>
    public static long Live => Interlocked.Read(ref live);

    internal IntPtr Handle => handle != IntPtr.Zero
        ? handle
        : throw new ObjectDisposedException(nameof(Tensor), "this tensor was freed with its scope; keep it with scope.Keep(...)");

    internal void Place(Scope scope, int at) => (owner, slot) = (scope, at);

    internal Tensor MoveTo(Scope scope)
    {
        _ = Handle;
        owner?.Disown(slot);
        scope.Own(this);
        return this;
    }

    /// <summary>Takes the tensor out of its scope; whoever calls this frees it.</summary>
    public Tensor Unscoped()
    {
        _ = Handle;
        owner?.Disown(slot);
        owner = null;
        return this;
    }

    /// <summary>Frees the tensor before its scope ends.</summary>
    public void Free()
    {
        if (handle == IntPtr.Zero) return;
        Native.Check(Native.lt_free(handle));
        handle = IntPtr.Zero;
        owner?.Disown(slot);
        owner = null;
        Interlocked.Decrement(ref live);
    }

    /// <summary>Takes over the memory of another, which is dead afterwards; its own is freed. Whoever holds this tensor sees the new values.</summary>
    internal void Become(Tensor other)
    {
        var (mine, its) = (Handle, other.Handle);
        Native.Check(Native.lt_free(mine));
        handle = its;
        other.handle = IntPtr.Zero;
        other.owner?.Disown(other.slot);
        other.owner = null;
        Interlocked.Decrement(ref live);
    }

    /// <summary>A copy on a device (the same tensor where it is there already) that does not wait for what the device computes; it is whole on return.</summary>
    internal Tensor CopyAside(string device)
    {
        if (device == "cpu") return To(device);
        Native.Check(Native.lt_copy_aside(Handle, device, out var made));
        return new Tensor(made);
    }

    // ---- facts

    private Native.Info Facts
    {
        get
        {
            Native.Info info;
            Native.Check(Native.lt_describe(Handle, &info));
            return info;
        }
    }

    /// <summary>Sizes of all dimensions.</summary>
    public long[] Shape
    {
        get
        {
            var info = Facts;
            return new ReadOnlySpan<long>(info.Sizes, info.Rank).ToArray();
        }
    }

    /// <summary>Number of dimensions.</summary>
    public int Rank => Facts.Rank;

    /// <summary>Number of elements.</summary>
    public long Count => Facts.Numel;

    /// <summary>Element type.</summary>
    public Dtype Dtype => (Dtype)Facts.Dtype;

    /// <summary>"cpu" or "cuda:0".</summary>
    public string Device
    {
        get
        {
            var info = Facts;
            return info.DeviceType == 0 ? "cpu" : info.DeviceType == 1 ? $"cuda:{info.DeviceIndex}" : $"device type {info.DeviceType}";
        }
    }

    /// <summary>Bytes of the elements.</summary>
    public long Bytes { get { var info = Facts; return info.Numel * info.ElementSize; } }

    /// <summary>Size of one dimension; negative counts from the end.</summary>
    public long Size(int dim)
    {
        var info = Facts;
        var d = dim < 0 ? dim + info.Rank : dim;
        return d >= 0 && d < info.Rank ? info.Sizes[d] : throw new TorchException($"dimension {dim} of a tensor of rank {info.Rank}");
    }

    internal static string Describe(IntPtr handle)
    {
        Native.Info info;
        if (Native.lt_describe(handle, &info) != 0) return "undescribed tensor";
        var device = info.DeviceType == 0 ? "cpu" : $"cuda:{info.DeviceIndex}";
        return $"{(Dtype)info.Dtype} [{string.Join(", ", new ReadOnlySpan<long>(info.Sizes, info.Rank).ToArray())}] {device}";
    }

    /// <summary>Dtype, shape and device.</summary>
    public override string ToString() => handle == IntPtr.Zero ? "freed tensor" : Describe(handle);

    /// <summary>Sizes of a rank-2 tensor.</summary>
    public void Deconstruct(out long a, out long b) { var s = OfRank(2); (a, b) = (s[0], s[1]); }

    /// <summary>Sizes of a rank-3 tensor.</summary>
    public void Deconstruct(out long a, out long b, out long c) { var s = OfRank(3); (a, b, c) = (s[0], s[1], s[2]); }

    /// <summary>Sizes of a rank-4 tensor.</summary>
    public void Deconstruct(out long a, out long b, out long c, out long d)
    {
        var s = OfRank(4);
        (a, b, c, d) = (s[0], s[1], s[2], s[3]);
    }

    /// <summary>Sizes of a rank-5 tensor.</summary>
    public void Deconstruct(out long a, out long b, out long c, out long d, out long e)
    {
        var s = OfRank(5);
        (a, b, c, d, e) = (s[0], s[1], s[2], s[3], s[4]);
    }

    private long[] OfRank(int rank)
    {
        var shape = Shape;
        return shape.Length == rank ? shape : throw new TorchException($"expected rank {rank}, got [{string.Join(", ", shape)}]");
    }

    // ---- memory

    /// <summary>A tensor with a copy of <paramref name="data"/>; the element type follows T (float, double, long, int, byte, bool). No shape means one dimension.</summary>
    public static Tensor From<T>(ReadOnlySpan<T> data, params ReadOnlySpan<long> shape) where T : unmanaged =>
        FromBytes(MemoryMarshal.AsBytes(data), DtypeOf<T>(), shape.Length == 0 ? [data.Length] : shape);

    /// <summary>A tensor from raw bytes in the element type given (also bfloat16).</summary>
    public static Tensor FromBytes(ReadOnlySpan<byte> data, Dtype dtype, params ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (var s in shape) count *= s;
        if (count * SizeOf(dtype) != data.Length)
            throw new TorchException($"{data.Length} bytes do not fill {dtype} [{string.Join(", ", shape.ToArray())}]");
        fixed (byte* from = data)
        fixed (long* sizes = shape)
        {
            Native.Check(Native.lt_from_memory(from, (int)dtype, sizes, shape.Length, out var made));
            return new Tensor(made);
        }
    }

    internal static Tensor FromPointer(byte* data, Dtype dtype, ReadOnlySpan<long> shape)
    {
        fixed (long* sizes = shape)
        {
            Native.Check(Native.lt_from_memory(data, (int)dtype, sizes, shape.Length, out var made));
            return new Tensor(made);
        }
    }

    /// <summary>Copies the elements out; T must match the element type.</summary>
    public T[] ToArray<T>() where T : unmanaged
    {
        if (DtypeOf<T>() != Dtype) throw new TorchException($"a tensor of {Dtype} cannot be read as {typeof(T).Name}; convert it first");
        var data = new T[Count];
        CopyTo(MemoryMarshal.AsBytes(data.AsSpan()));
        return data;
    }

    /// <summary>Copies the raw bytes out.</summary>
    public void CopyTo(Span<byte> bytes)
    {
        fixed (byte* to = bytes) Native.Check(Native.lt_to_memory(Handle, to, bytes.Length));
    }

    /// <summary>The one element as a number.</summary>
    public double Scalar() => Ops.ItemOf(this);

    private static Dtype DtypeOf<T>() => typeof(T) switch
    {
        var t when t == typeof(float) => Dtype.F32,
        var t when t == typeof(double) => Dtype.F64,
        var t when t == typeof(long) => Dtype.I64,
        var t when t == typeof(int) => Dtype.I32,
        var t when t == typeof(byte) => Dtype.U8,
        var t when t == typeof(bool) => Dtype.Bool,
        var t when t == typeof(Half) => Dtype.F16,
        var t => throw new TorchException($"{t.Name} is no element type of a tensor"),
    };

    /// <summary>Bytes of one element.</summary>
    public static int SizeOf(Dtype dtype) => dtype switch
    {
        Dtype.U8 or Dtype.I8 or Dtype.Bool => 1,
        Dtype.I16 or Dtype.F16 or Dtype.BF16 => 2,
        Dtype.I32 or Dtype.F32 => 4,
        _ => 8,
    };

    // ---- autograd

    /// <summary>Whether the gradient of this tensor is recorded.</summary>
    public bool RequiresGrad => Facts.RequiresGrad != 0;

    /// <summary>The accumulated gradient (a view on the same memory), or null.</summary>
    public Tensor? Grad
    {
        get
        {
            Native.Check(Native.lt_grad(Handle, out var grad));
            return grad == IntPtr.Zero ? null : new Tensor(grad);
        }
        set => Native.Check(Native.lt_set_grad(Handle, value?.Handle ?? IntPtr.Zero));
    }

    // ---- operators

    public static Tensor operator +(Tensor a, Tensor b) => Ops.Add(a, b);
    public static Tensor operator +(Tensor a, double b) => Ops.Add(a, b);
    public static Tensor operator +(double a, Tensor b) => Ops.Add(b, a);
    public static Tensor operator -(Tensor a, Tensor b) => Ops.Sub(a, b);
    public static Tensor operator -(Tensor a, double b) => Ops.Add(a, -b);
    public static Tensor operator -(double a, Tensor b) => Ops.Add(Ops.Neg(b), a);
    public static Tensor operator -(Tensor a) => Ops.Neg(a);
    public static Tensor operator *(Tensor a, Tensor b) => Ops.Mul(a, b);
    public static Tensor operator *(Tensor a, double b) => Ops.Mul(a, b);
    public static Tensor operator *(double a, Tensor b) => Ops.Mul(b, a);
    public static Tensor operator /(Tensor a, Tensor b) => Ops.Div(a, b);
    public static Tensor operator /(Tensor a, double b) => Ops.Div(a, b);

    /// <summary>One index along the first dimension.</summary>
    public Tensor this[long index] => Ops.Select(this, 0, index);

    /// <summary>A range along the first dimension.</summary>
    public Tensor this[Range range] => Slice(0, range);

    /// <summary>A range along <paramref name="dim"/>.</summary>
    public Tensor Slice(int dim, Range range)
    {
        var (start, length) = range.GetOffsetAndLength((int)Size(dim));
        return Ops.Narrow(this, dim, start, length);
    }

    // What chains well is also a method; the rest is in Ops.

    /// <summary>The same elements in another shape; one size may be -1.</summary>
    public Tensor Reshape(params ReadOnlySpan<long> shape) => Ops.Reshape(this, shape);
    /// <summary>Reorders the dimensions.</summary>
    public Tensor Permute(params ReadOnlySpan<long> dims) => Ops.Permute(this, dims);
    /// <summary>Swaps two dimensions.</summary>
    public Tensor Transpose(int a, int b) => Ops.Transpose(this, a, b);
    /// <summary>Adds a dimension of size 1.</summary>
    public Tensor Unsqueeze(int dim) => Ops.Unsqueeze(this, dim);
    /// <summary>Removes a dimension of size 1.</summary>
    public Tensor Squeeze(int dim) => Ops.Squeeze(this, dim);
    /// <summary>Repeats along dimensions of size 1 without copying; -1 keeps a size.</summary>
    public Tensor Expand(params ReadOnlySpan<long> shape) => Ops.Expand(this, shape);
    /// <summary>Converts the element type; the same tensor when it has it already.</summary>
    public Tensor To(Dtype dtype) => Ops.ToDtype(this, dtype);
    /// <summary>Moves to a device; the same tensor when it is there already.</summary>
    public Tensor To(string device) => Ops.ToDevice(this, device);
    /// <summary>Lays the elements out in order.</summary>
    public Tensor Contiguous() => Ops.Contiguous(this);
    /// <summary>The same values, cut off from the graph.</summary>
    public Tensor Detach() => Ops.Detach(this);
    /// <summary>A copy.</summary>
    public Tensor Clone() => Ops.Clone(this);
    /// <summary>Marks a leaf whose gradient is wanted; returns itself.</summary>
    public Tensor RequiresGrad_(bool wanted = true) { Ops.SetRequiresGrad(this, wanted); return this; }
    /// <summary>Differentiates; gradients add up in .Grad of the leaves.</summary>
    public void Backward(Tensor? gradient = null) => Ops.Backward(this, gradient);
}
