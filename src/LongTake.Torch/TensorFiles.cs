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

    /// <summary>One file with the tensors given, in their order, written atomically.</summary>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null,
        Dtype? dtype = null) =>
        SafetensorsWriter.Write(path, [.. tensors.Select(p =>
        {
            var to = dtype is { } d && p.Value.Dtype is Dtype.F32 or Dtype.F64 or Dtype.BF16 or Dtype.F16 ? dtype ?? p.Value.Dtype : p.Value.Dtype;
            return (p.Key, dtypes.First(q => q.Value == to).Key, p.Value.Shape, (Action<Stream>)(stream =>
            {
                using var scope = new Scope();
                using var off = GradMode.Off();
                var converted = p.Value.To(to);
                var bytes = new byte[converted.Bytes];
                converted.CopyTo(bytes);
                stream.Write(bytes);
            }));
        })], metadata);
}
