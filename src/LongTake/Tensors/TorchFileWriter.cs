using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// Writes files that <c>torch.load(path, weights_only=True)</c> reads: a zip archive with every entry stored and
/// aligned to 64 bytes, one storage a tensor. The same input gives the same bytes; one tensor at a time is in memory.
/// </summary>
public static class TorchFileWriter
{
    private const int Alignment = 64;

    /// <summary>
    /// Writes one file atomically: with the one group "" a state dictionary, else a dictionary of state dictionaries.
    /// <paramref name="dtype"/>, if given, replaces the type of floating-point tensors.
    /// </summary>
    /// <exception cref="UserException">The disk is full or the file cannot be written.</exception>
    public static void Write(
        string path,
        ScalarType? dtype,
        params (string Group, IReadOnlyList<LazyTensor> Tensors)[] groups
    )
    {
        LazyTensor[] all = [.. groups.SelectMany(g => g.Tensors)];
        AtomicFile.Write(path, file =>
        {
            var zip = new Zip(file, Path.GetFileNameWithoutExtension(path));
            var pickle = Pickle(groups, dtype);
            zip.Add("data.pkl", pickle.Length, to => to.Write(pickle));
            zip.Add("byteorder", 6, to => to.Write("little"u8));
            for (var i = 0; i < all.Length; i++)
            {
                var (tensor, type) = (all[i], TensorFiles.Target(all[i].Dtype, dtype));
                zip.Add($"data/{i}", tensor.Count * Tensor.SizeOf(type), to => TensorFiles.Copy(tensor, type, to));
            }
            zip.Add("version", 2, to => to.Write("3\n"u8));
            zip.Finish();
        });
    }

    private static byte[] Pickle((string Group, IReadOnlyList<LazyTensor> Tensors)[] groups, ScalarType? dtype)
    {
        var p = new MemoryStream();
        p.Write([0x80, 2]);
        var storage = 0;
        void State(IReadOnlyList<LazyTensor> tensors)
        {
            p.Write("ccollections\nOrderedDict\n)R("u8);
            foreach (var t in tensors)
            {
                var type = TensorFiles.Target(t.Dtype, dtype);
                Text(p, t.Name);
                p.Write("ctorch._utils\n_rebuild_tensor_v2\n(("u8);
                Text(p, "storage");
                p.Write(Encoding.ASCII.GetBytes($"ctorch\n{TorchFile.Storages[type]}\n"));
                Text(p, $"{storage++}");
                Text(p, "cpu");
                Number(p, t.Count);
                p.Write("tQ"u8);
                Number(p, 0);
                var strides = new long[t.Shape.Length];
                for (var (i, stride) = (strides.Length - 1, 1L); i >= 0; stride *= Math.Max(1, t.Shape[i--]))
                    strides[i] = stride;
                Tuple(p, t.Shape);
                Tuple(p, strides);
                p.WriteByte(0x89);
                p.Write("ccollections\nOrderedDict\n)RtR"u8);
            }
            p.WriteByte((byte)'u');
        }
        if (groups is [("", var only)])
            State(only);
        else
        {
            p.Write("}("u8);
            foreach (var (group, tensors) in groups)
            {
                Text(p, group);
                State(tensors);
            }
            p.WriteByte((byte)'u');
        }
        p.WriteByte((byte)'.');
        return p.ToArray();
    }

    private static void Text(MemoryStream p, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Span<byte> head = stackalloc byte[5];
        head[0] = (byte)'X';
        BinaryPrimitives.WriteInt32LittleEndian(head[1..], bytes.Length);
        p.Write(head);
        p.Write(bytes);
    }

    private static void Number(MemoryStream p, long n)
    {
        Span<byte> code = stackalloc byte[10];
        var wide = n > int.MaxValue;
        (code[0], code[1]) = wide ? ((byte)0x8a, (byte)8) : ((byte)'J', (byte)0);
        if (wide)
            BinaryPrimitives.WriteInt64LittleEndian(code[2..], n);
        else
            BinaryPrimitives.WriteInt32LittleEndian(code[1..], (int)n);
        p.Write(code[..(wide ? 10 : 5)]);
    }

    private static void Tuple(MemoryStream p, long[] numbers)
    {
        p.WriteByte((byte)'(');
        foreach (var n in numbers)
            Number(p, n);
        p.WriteByte((byte)'t');
    }

    /// <summary>A zip archive of stored entries; sizes and offsets beyond 32 bits go into zip64 fields.</summary>
    private sealed class Zip(Stream file, string folder)
    {
        private readonly MemoryStream directory = new();
        private int count;

        public void Add(string name, long length, Action<Stream> write)
        {
            var local = file.Position;
            var bytes = Encoding.UTF8.GetBytes($"{folder}/{name}");
            var wide = length >= uint.MaxValue;
            var begin = local + 30 + bytes.Length + (wide ? 20 : 0) + 4;
            var padding = (int)((Alignment - begin % Alignment) % Alignment);
            // The checksum is known after the data: the header is written twice.
            void Header(uint crc)
            {
                Fields(
                    file,
                    0x04034b50,
                    [wide ? 45 : 20, 0, 0, 0, 0],
                    crc,
                    length,
                    bytes.Length,
                    (wide ? 20 : 0) + 4 + padding
                );
                file.Write(bytes);
                if (wide)
                    Wide(file, length, length);
                Short(file, 0x4246, padding);
                file.Write(new byte[padding]);
            }
            Header(0);
            var sum = new Checksum(file);
            write(sum);
            if (sum.Count != length)
                throw new ArgumentException($"'{name}' takes {length} bytes, {sum.Count} were written");
            var end = file.Position;
            file.Position = local;
            Header(sum.Value);
            file.Position = end;

            var far = local >= uint.MaxValue;
            Fields(
                directory,
                0x02014b50,
                [45, wide || far ? 45 : 20, 0, 0, 0, 0],
                sum.Value,
                length,
                bytes.Length,
                wide || far ? 4 + (wide ? 16 : 0) + (far ? 8 : 0) : 0
            );
            Short(directory, 0, 0, 0);
            Int(directory, 0);
            Int(directory, far ? uint.MaxValue : (uint)local);
            directory.Write(bytes);
            if (wide && far)
                Wide(directory, length, length, local);
            else if (wide)
                Wide(directory, length, length);
            else if (far)
                Wide(directory, local);
            count++;
        }

        public void Finish()
        {
            var at = file.Position;
            file.Write(directory.ToArray());
            var end = file.Position;
            if (at >= uint.MaxValue || count >= ushort.MaxValue)
            {
                Int(file, 0x06064b50);
                Long(file, 44);
                Short(file, 45, 45);
                Int(file, 0);
                Int(file, 0);
                foreach (var n in (long[])[count, count, end - at, at])
                    Long(file, n);
                Int(file, 0x07064b50);
                Int(file, 0);
                Long(file, end);
                Int(file, 1);
            }
            Int(file, 0x06054b50);
            Short(file, 0, 0, Math.Min(count, ushort.MaxValue), Math.Min(count, ushort.MaxValue));
            Int(file, (uint)Math.Min(end - at, uint.MaxValue));
            Int(file, (uint)Math.Min(at, uint.MaxValue));
            Short(file, 0);
        }

        private static void Fields(
            Stream to,
            uint signature,
            int[] versions,
            uint crc,
            long length,
            int name,
            int extra
        )
        {
            Int(to, signature);
            Short(to, versions);
            Int(to, crc);
            Int(to, (uint)Math.Min(length, uint.MaxValue));
            Int(to, (uint)Math.Min(length, uint.MaxValue));
            Short(to, name, extra);
        }

        private static void Wide(Stream to, params ReadOnlySpan<long> numbers)
        {
            Short(to, 1, 8 * numbers.Length);
            foreach (var n in numbers)
                Long(to, n);
        }

        private static void Short(Stream to, params ReadOnlySpan<int> numbers)
        {
            foreach (var n in numbers)
                to.Write([(byte)n, (byte)(n >> 8)]);
        }

        private static void Int(Stream to, uint n) =>
            to.Write([(byte)n, (byte)(n >> 8), (byte)(n >> 16), (byte)(n >> 24)]);

        private static void Long(Stream to, long n)
        {
            Int(to, (uint)n);
            Int(to, (uint)(n >> 32));
        }
    }
}
