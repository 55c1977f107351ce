using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tests.Tensors;

/// <summary>
/// PyTorch files byte by byte, so that they can be wrong in every way. Pickles are texts of Latin-1, one character a
/// byte.
/// </summary>
internal static class HandMade
{
    public sealed record Entry(
        string Name,
        byte[] Data,
        int Method = 0,
        int Flags = 0,
        long? Says = null,
        string? Local = null
    );

    public static byte[] Bytes(string latin1) => Encoding.Latin1.GetBytes(latin1);

    /// <summary>
    /// A zip archive of the entries as they are; <see cref="Entry.Says"/> replaces the size in the directory.
    /// </summary>
    public static byte[] Zip(params Entry[] entries)
    {
        using var file = new MemoryStream();
        using var directory = new MemoryStream();
        foreach (var e in entries)
        {
            var (at, name, local) = (
                file.Position,
                Encoding.UTF8.GetBytes(e.Name),
                Encoding.UTF8.GetBytes(e.Local ?? e.Name)
            );
            var size = (uint)(e.Says ?? e.Data.Length);
            Write(file, 4, 0x04034b50);
            Write(file, 2, 20, (uint)e.Flags, (uint)e.Method, 0, 0);
            Write(file, 4, 0, (uint)e.Data.Length, size);
            Write(file, 2, (uint)local.Length, 0);
            file.Write(local);
            file.Write(e.Data);
            Write(directory, 4, 0x02014b50);
            Write(directory, 2, 20, 20, (uint)e.Flags, (uint)e.Method, 0, 0);
            Write(directory, 4, 0, (uint)e.Data.Length, size);
            Write(directory, 2, (uint)name.Length, 0, 0, 0, 0);
            Write(directory, 4, 0, (uint)at);
            directory.Write(name);
        }
        var begin = file.Position;
        file.Write(directory.ToArray());
        Write(file, 4, 0x06054b50);
        Write(file, 2, 0, 0, (uint)entries.Length, (uint)entries.Length);
        Write(file, 4, (uint)(file.Position - begin - 12), (uint)begin);
        Write(file, 2, 0);
        return file.ToArray();
    }

    /// <summary>A PyTorch file of a pickle and storages "0", "1", ...</summary>
    public static byte[] File(string pickle, params byte[][] storages) =>
        Zip([
            new("a/data.pkl", Bytes(pickle)),
            .. storages.Select((s, i) => new Entry($"a/data/{i}", s)),
            new("a/version", Bytes("3\n")),
        ]);

    /// <summary>The pickle of a dictionary of one tensor "w".</summary>
    public static string Tensor(string storage, int key, int count, int offset, int[] size, int[] stride) =>
        $"\u0080\u0002}}{Text("w")}ctorch._utils\n_rebuild_tensor_v2\n(({Text("storage")}ctorch\n{storage}\n{Text($"{key}")}{Text("cpu")}{Int(count)}tQ{Int(offset)}"
        + $"({string.Concat(size.Select(Int))}t({string.Concat(stride.Select(Int))}t\u0089ccollections\nOrderedDict\n)RtRs.";

    public static string Text(string text) => $"X{Latin(text.Length)}{text}";

    public static string Int(int n) => $"J{Latin(n)}";

    private static string Latin(int n) => string.Concat(Enumerable.Range(0, 4).Select(i => (char)(n >> 8 * i & 255)));

    private static void Write(Stream to, int bytes, params uint[] numbers)
    {
        Span<byte> four = stackalloc byte[4];
        foreach (var n in numbers)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(four, n);
            to.Write(four[..bytes]);
        }
    }
}
