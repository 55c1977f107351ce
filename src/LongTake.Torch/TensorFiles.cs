namespace LongTake.Torch;

/// <summary>Tensors and weights in and out of safetensors files.</summary>
public static unsafe class TensorFiles
{
    private static readonly Dictionary<string, Dtype> dtypes = new()
    {
        ["F64"] = Dtype.F64, ["F32"] = Dtype.F32, ["F16"] = Dtype.F16, ["BF16"] = Dtype.BF16, ["I64"] = Dtype.I64,
        ["I32"] = Dtype.I32, ["I16"] = Dtype.I16, ["I8"] = Dtype.I8, ["U8"] = Dtype.U8, ["BOOL"] = Dtype.Bool,
    };

    /// <summary>A copy of one tensor of the file, in the current scope.</summary>
    public static Tensor Tensor(this SafetensorsSet file, string name)
    {
        var entry = file.Entry(name);
        return Torch.Tensor.FromPointer(file.Pointer(name, out _), dtypes[entry.Dtype], entry.Shape);
    }

    /// <summary>The file as a source of weights: the names under <paramref name="prefix"/>.</summary>
    public static Func<string, Tensor?> Source(this SafetensorsSet file, string prefix = "") =>
        name => file.Contains(prefix + name) ? file.Tensor(prefix + name) : null;

    /// <summary>These weights as a source for others.</summary>
    public static Func<string, Tensor?> Source(this Weights weights)
    {
        var all = weights.All.ToDictionary();
        return name => all.GetValueOrDefault(name);
    }

    /// <summary>The tensors of the file, read when wanted; shapes that no tensor can have are an error.</summary>
    public static IReadOnlyList<LazyTensor> Lazy(this SafetensorsSet file) => [.. file.Names.Select(name =>
    {
        var entry = file.Entry(name);
        if (!LazyTensor.Fits(entry.Shape)) throw new UserException($"{file.OpenedPath}: tensor {SafetensorsHeader.Quote(name)} has an impossible shape [{string.Join(", ", entry.Shape.Take(10))}]");
        return new LazyTensor(name, dtypes[entry.Dtype], entry.Shape, () => file.Tensor(name));
    })];

    /// <summary>These tensors as a source of weights.</summary>
    public static Func<string, Tensor?> Source(this IEnumerable<LazyTensor> tensors)
    {
        var all = tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        return name => all.TryGetValue(name, out var found) ? found.Read() : null;
    }

    /// <summary>Safetensors' name of an element type.</summary>
    public static string Name(Dtype dtype) => dtypes.First(p => p.Value == dtype).Key;

    /// <summary>The type a tensor is written in: floating point as asked, everything else as it is.</summary>
    internal static Dtype Target(Dtype from, Dtype? wanted) => from is Dtype.F32 or Dtype.F64 or Dtype.BF16 or Dtype.F16 ? wanted ?? from : from;

    /// <summary>One file with the tensors given, in their order, written atomically.</summary>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null,
        Dtype? dtype = null) =>
        SafetensorsWriter.Write(path, Entries(tensors.Select(p => new LazyTensor(p.Key, p.Value.Dtype, p.Value.Shape, () => p.Value)), dtype), metadata);

    /// <summary>The same of tensors that are read one by one; sharded beyond <paramref name="maxBytes"/> of data.</summary>
    /// <returns>The path to open: the file or the index.</returns>
    public static string Write(string path, IEnumerable<LazyTensor> tensors, Dtype? dtype, IReadOnlyDictionary<string, string>? metadata = null,
        long maxBytes = long.MaxValue) => SafetensorsWriter.WriteSharded(path, Entries(tensors, dtype), maxBytes, metadata);

    private static (string, string, long[], Action<Stream>)[] Entries(IEnumerable<LazyTensor> tensors, Dtype? dtype) => [.. tensors.Select(t =>
    {
        var to = Target(t.Dtype, dtype);
        return (t.Name, Name(to), t.Shape, (Action<Stream>)(stream => Copy(t, to, stream)));
    })];

    /// <summary>Reads a tensor and writes its bytes, converted, some megabytes at a time.</summary>
    internal static void Copy(LazyTensor tensor, Dtype dtype, Stream to)
    {
        const long most = 4 << 20;
        using var scope = new Scope();
        using var off = GradMode.Off();
        var flat = tensor.Read().Reshape(-1);
        var bytes = new byte[Math.Min(most, flat.Count) * Torch.Tensor.SizeOf(dtype)];
        for (var at = 0L; at < flat.Count; at += most)
        {
            using var part = new Scope();
            var count = Math.Min(most, flat.Count - at);
            var span = bytes.AsSpan(0, (int)count * Torch.Tensor.SizeOf(dtype));
            Ops.Narrow(flat, 0, at, count).To(dtype).CopyTo(span);
            to.Write(span);
        }
    }
}
