using System.Text;

namespace LongTake.Tests.Checkpoints;

/// <summary>Writes GGUF files, as ComfyUI's converters do, for the tests of its reader.</summary>
internal static class HandMadeGguf
{
    private static readonly Dictionary<string, (uint Type, int Elements, int Bytes)> forms = new()
    {
        ["F32"] = (0, 1, 4),
        ["F16"] = (1, 1, 2),
        ["Q4_0"] = (2, 32, 18),
        ["Q4_1"] = (3, 32, 20),
        ["Q5_0"] = (6, 32, 22),
        ["Q5_1"] = (7, 32, 24),
        ["Q8_0"] = (8, 32, 34),
        ["Q4_K"] = (12, 256, 144),
        ["Q5_K"] = (13, 256, 176),
        ["Q6_K"] = (14, 256, 210),
        ["IQ2_XS"] = (17, 256, 74),
        ["BF16"] = (30, 1, 2),
    };

    /// <summary>Elements and bytes of a block.</summary>
    public static (int Elements, int Bytes) Block(string form) => (forms[form].Elements, forms[form].Bytes);

    /// <summary>A file of tensors; those that have no whole blocks of the form, and vectors, in float32.</summary>
    public static void Write(string path, IReadOnlyList<LazyTensor> tensors, string form)
    {
        using var scope = torch.NewDisposeScope();
        Write(
            path,
            [
                .. tensors.Select(t =>
                {
                    var whole = t.Shape.Length > 1 && t.Count % forms[form].Elements == 0;
                    return (t.Name, t.Shape, whole ? form : "F32", Bytes(t.Read(), whole ? form : "F32"));
                }),
            ]
        );
    }

    /// <summary>A file of tensors given as bytes.</summary>
    public static void Write(string path, IReadOnlyList<(string Name, long[] Shape, string Form, byte[] Data)> tensors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using var to = new BinaryWriter(File.Create(path));
        void Text(string text)
        {
            to.Write((ulong)Encoding.UTF8.GetByteCount(text));
            to.Write(Encoding.UTF8.GetBytes(text));
        }
        var deep = tensors.Where(t => t.Shape.Length > 4).ToList();
        to.Write("GGUF"u8);
        to.Write(3u);
        to.Write((ulong)tensors.Count);
        to.Write((ulong)(2 + deep.Count));
        Text("general.architecture");
        to.Write(8u);
        Text("wan");
        Text("general.alignment");
        to.Write(4u);
        to.Write(64u);
        foreach (var t in deep)
        {
            Text("comfy.gguf.orig_shape." + t.Name);
            to.Write(9u);
            to.Write(5u);
            to.Write((ulong)t.Shape.Length);
            foreach (var n in t.Shape)
                to.Write((int)n);
        }
        var at = 0L;
        foreach (var (name, shape, form, data) in tensors)
        {
            long[] flat = shape.Length > 4 ? [shape[0], shape[1..].Aggregate(1L, (a, b) => a * b)] : shape;
            Text(name);
            to.Write((uint)flat.Length);
            foreach (var n in flat.Reverse())
                to.Write((ulong)n);
            to.Write(forms[form].Type);
            to.Write((ulong)at);
            at += (data.Length + 63) / 64 * 64;
        }
        Pad();
        foreach (var t in tensors)
        {
            to.Write(t.Data);
            Pad();
        }

        void Pad()
        {
            while (to.BaseStream.Position % 64 != 0)
                to.Write((byte)0);
        }
    }

    private static byte[] Bytes(Tensor x, string form)
    {
        var numbers = x.to(ScalarType.Float32).reshape(-1).ToArray<float>();
        var bytes = new MemoryStream();
        using var to = new BinaryWriter(bytes);
        switch (form)
        {
            case "F32":
                foreach (var n in numbers)
                    to.Write(n);
                break;
            case "F16":
                foreach (var n in numbers)
                    to.Write((Half)n);
                break;
            case "Q8_0":
                foreach (var block in numbers.Chunk(32))
                {
                    var d = block.Max(MathF.Abs) / 127;
                    to.Write((Half)d);
                    foreach (var n in block)
                        to.Write((sbyte)(d > 0 ? Math.Clamp(MathF.Round(n / d), -127, 127) : 0));
                }
                break;
            default: // any bytes will do
                to.Write(new byte[numbers.Length / forms[form].Elements * forms[form].Bytes + forms[form].Bytes]);
                break;
        }
        return bytes.ToArray();
    }
}
