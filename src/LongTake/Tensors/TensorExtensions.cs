using System.Runtime.InteropServices;

namespace LongTake.Tensors;

/// <summary>What TorchSharp's tensors lack.</summary>
public static unsafe class TensorExtensions
{
    extension(Tensor x)
    {
        /// <summary>Bytes of the elements.</summary>
        public long Bytes => x.numel() * x.element_size();

        /// <summary>
        /// Differentiates; gradients add up in <c>grad</c> of the leaves. Throws what a backward function written in C#
        /// failed with.
        /// </summary>
        public void Backward(Tensor? gradient = null) => Backwards.Backward(x, gradient);

        /// <summary>A range along a dimension: a view.</summary>
        public Tensor Slice(int dim, Range range)
        {
            var (start, length) = range.GetOffsetAndLength((int)x.size(dim));
            return x.narrow(dim, start, length);
        }

        /// <summary>The elements, copied to the CPU, in order. T must be the element type.</summary>
        public T[] ToArray<T>()
            where T : unmanaged
        {
            if (TypeOf<T>() != x.dtype)
                throw new TorchException($"a tensor of {x.dtype} cannot be read as {typeof(T).Name}; convert it first");
            var data = new T[x.numel()];
            x.CopyTo(MemoryMarshal.AsBytes(data.AsSpan()));
            return data;
        }

        /// <summary>Copies the elements' bytes to the CPU, in order.</summary>
        public void CopyTo(Span<byte> bytes)
        {
            using var scope = torch.NewDisposeScope();
            var there = x.detach().cpu().contiguous();
            if (there.Bytes != bytes.Length)
                throw new TorchException($"{there.Bytes} bytes do not go into {bytes.Length}");
            new ReadOnlySpan<byte>(TensorMemory.Pointer(there), bytes.Length).CopyTo(bytes);
            GC.KeepAlive(there);
        }

        /// <summary>
        /// The number of a tensor of one element; a device is waited for. On libtorch's device "meta", whose tensors
        /// have shapes and no numbers, 1: there a step can be gone through for its shapes and devices alone.
        /// </summary>
        public double Number() => x.device_type == DeviceType.META ? 1 : x.ToDouble();

        /// <summary>The numbers of a tensor, read at once; on the device "meta" ones.</summary>
        public double[] Numbers()
        {
            if (x.device_type == DeviceType.META)
                return [.. Enumerable.Repeat(1.0, (int)x.numel())];
            using var scope = torch.NewDisposeScope();
            return x.detach().cpu().to(ScalarType.Float64).ToArray<double>();
        }

        /// <summary>Whether all elements are finite.</summary>
        public bool AllFinite()
        {
            using var scope = torch.NewDisposeScope();
            return x.isfinite().all().ToBoolean();
        }

        /// <summary>
        /// Whether shapes and all elements are equal. (TorchSharp's <c>equal</c> compares element by element.)
        /// </summary>
        public bool SameAs(Tensor other)
        {
            using var scope = torch.NewDisposeScope();
            return x.shape.SequenceEqual(other.shape) && x.eq(other).all().ToBoolean();
        }

        /// <summary>Sizes of a rank-2 tensor.</summary>
        public void Deconstruct(out long a, out long b)
        {
            var s = OfRank(x, 2);
            (a, b) = (s[0], s[1]);
        }

        /// <summary>Sizes of a rank-3 tensor.</summary>
        public void Deconstruct(out long a, out long b, out long c)
        {
            var s = OfRank(x, 3);
            (a, b, c) = (s[0], s[1], s[2]);
        }

        /// <summary>Sizes of a rank-4 tensor.</summary>
        public void Deconstruct(out long a, out long b, out long c, out long d)
        {
            var s = OfRank(x, 4);
            (a, b, c, d) = (s[0], s[1], s[2], s[3]);
        }

        /// <summary>Sizes of a rank-5 tensor.</summary>
        public void Deconstruct(out long a, out long b, out long c, out long d, out long e)
        {
            var s = OfRank(x, 5);
            (a, b, c, d, e) = (s[0], s[1], s[2], s[3], s[4]);
        }
    }

    extension(Tensor)
    {
        /// <summary>A tensor with a copy of data; the element type follows T. No shape means one dimension.</summary>
        public static Tensor From<T>(ReadOnlySpan<T> data, params ReadOnlySpan<long> shape)
            where T : unmanaged =>
            FromBytes(MemoryMarshal.AsBytes(data), TypeOf<T>(), shape.Length == 0 ? [data.Length] : shape);

        /// <summary>A tensor from raw bytes of an element type.</summary>
        public static Tensor FromBytes(ReadOnlySpan<byte> data, ScalarType type, params ReadOnlySpan<long> shape)
        {
            long count = 1;
            foreach (var s in shape)
                count *= s;
            if (count * SizeOf(type) != data.Length)
                throw new TorchException(
                    $"{data.Length} bytes do not fill {type} [{string.Join(", ", shape.ToArray())}]"
                );
            fixed (byte* from = data)
                return FromPointer(from, type, shape);
        }

        /// <summary>A tensor with a copy of what lies at an address.</summary>
        internal static Tensor FromPointer(byte* data, ScalarType type, ReadOnlySpan<long> shape)
        {
            var made = torch.empty(shape, type);
            Buffer.MemoryCopy(data, TensorMemory.Pointer(made), made.Bytes, made.Bytes);
            return made;
        }

        /// <summary>Bytes of one element.</summary>
        public static int SizeOf(ScalarType type) =>
            type switch
            {
                ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
                ScalarType.Int16 or ScalarType.Float16 or ScalarType.BFloat16 => 2,
                ScalarType.Int32 or ScalarType.Float32 => 4,
                _ => 8,
            };
    }

    private static ScalarType TypeOf<T>() =>
        typeof(T) switch
        {
            var t when t == typeof(float) => ScalarType.Float32,
            var t when t == typeof(double) => ScalarType.Float64,
            var t when t == typeof(long) => ScalarType.Int64,
            var t when t == typeof(int) => ScalarType.Int32,
            var t when t == typeof(byte) => ScalarType.Byte,
            var t when t == typeof(sbyte) => ScalarType.Int8,
            var t when t == typeof(bool) => ScalarType.Bool,
            var t when t == typeof(Half) => ScalarType.Float16,
            var t => throw new TorchException($"{t.Name} is no element type of a tensor"),
        };

    private static long[] OfRank(Tensor x, int rank) =>
        x.shape is { } shape && shape.Length == rank
            ? shape
            : throw new TorchException($"expected rank {rank}, got [{string.Join(", ", x.shape)}]");
}
