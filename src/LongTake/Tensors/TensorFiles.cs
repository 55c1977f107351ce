namespace LongTake.Tensors;

/// <summary>Tensors and weights in and out of safetensors files.</summary>
public static unsafe class TensorFiles
{
    /// <summary>The element types that files can hold.</summary>
    public static IEnumerable<ScalarType> Types => dtypes.Values;

    private static readonly Dictionary<string, ScalarType> dtypes = new()
    {
        ["F64"] = ScalarType.Float64,
        ["F32"] = ScalarType.Float32,
        ["F16"] = ScalarType.Float16,
        ["BF16"] = ScalarType.BFloat16,
        ["I64"] = ScalarType.Int64,
        ["I32"] = ScalarType.Int32,
        ["I16"] = ScalarType.Int16,
        ["I8"] = ScalarType.Int8,
        ["U8"] = ScalarType.Byte,
        ["BOOL"] = ScalarType.Bool,
    };

    /// <summary>
    /// A copy of one tensor of the file, in the current scope; floating point of 8 bits as bfloat16.
    /// </summary>
    public static Tensor Tensor(this SafetensorsSet file, string name)
    {
        var entry = file.Entry(name);
        var at = file.Pointer(name, out _);
        return Float8.Is(entry.Dtype)
            ? Float8.Read(entry.Dtype, at, entry.Shape)
            : torch.Tensor.FromPointer(at, dtypes[entry.Dtype], entry.Shape);
    }

    /// <summary>
    /// One tensor of the file where it lies, mapped, without a copy: valid while the file is open, and never to be
    /// written. What lies at an odd address is copied.
    /// </summary>
    internal static Tensor View(this SafetensorsSet file, string name)
    {
        var entry = file.Entry(name);
        if (Float8.Is(entry.Dtype))
            return file.Tensor(name);
        var (at, type) = ((IntPtr)file.Pointer(name, out var bytes), dtypes[entry.Dtype]);
        return bytes > 0 && at % torch.Tensor.SizeOf(type) == 0
            ? TensorMemory.Over((void*)at, entry.Shape, type)
            : file.Tensor(name);
    }

    /// <summary>
    /// The file as a source of weights: the names under <paramref name="prefix"/>, mapped, so that the file must be
    /// open while they are read.
    /// </summary>
    public static Func<string, Tensor?> Source(this SafetensorsSet file, string prefix = "") =>
        name => file.Contains(prefix + name) ? file.View(prefix + name) : null;

    /// <summary>These weights as a source for others.</summary>
    public static Func<string, Tensor?> Source(this Weights weights)
    {
        var all = weights.All.ToDictionary();
        return name => all.GetValueOrDefault(name);
    }

    /// <summary>The tensors of the file, read when wanted; shapes that no tensor can have are an error.</summary>
    public static IReadOnlyList<LazyTensor> Lazy(this SafetensorsSet file) =>
        [
            .. file.Names.Select(name =>
            {
                var entry = file.Entry(name);
                if (!LazyTensor.Fits(entry.Shape))
                    throw new UserException(
                        $"{file.OpenedPath}: tensor {SafetensorsHeader.Quote(name)} has an impossible shape "
                            + $"[{string.Join(", ", entry.Shape.Take(10))}]"
                    );
                var small = Float8.Is(entry.Dtype);
                return new LazyTensor(name, small ? ScalarType.BFloat16 : dtypes[entry.Dtype], entry.Shape, () =>
                    file.Tensor(name)
                )
                {
                    Stored = small ? entry.Dtype : null,
                };
            }),
        ];

    /// <summary>These tensors as a source of weights.</summary>
    public static Func<string, Tensor?> Source(this IEnumerable<LazyTensor> tensors)
    {
        var all = tensors.ToDictionary(t => t.Name, StringComparer.Ordinal);
        return name => all.TryGetValue(name, out var found) ? found.Read() : null;
    }

    /// <summary>Safetensors' name of an element type.</summary>
    public static string Name(ScalarType dtype) => dtypes.First(p => p.Value == dtype).Key;

    /// <summary>Whether an element type is floating point.</summary>
    internal static bool IsFloat(ScalarType type) =>
        type is ScalarType.Float32 or ScalarType.Float64 or ScalarType.BFloat16 or ScalarType.Float16;

    /// <summary>The type a tensor is written in: floating point as asked, everything else unchanged.</summary>
    internal static ScalarType Target(ScalarType from, ScalarType? wanted) => IsFloat(from) ? wanted ?? from : from;

    /// <summary>One file with the tensors given, in their order, written atomically.</summary>
    public static void Write(
        string path,
        IEnumerable<KeyValuePair<string, Tensor>> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        ScalarType? dtype = null
    ) =>
        SafetensorsWriter.Write(
            path,
            Entries(tensors.Select(p => new LazyTensor(p.Key, p.Value.dtype, p.Value.shape, () => p.Value)), dtype),
            metadata
        );

    /// <summary>
    /// Writes tensors that are read one by one; sharded beyond <paramref name="maxBytes"/> of data.
    /// </summary>
    /// <returns>The path to open: the file or the index.</returns>
    public static string Write(
        string path,
        IEnumerable<LazyTensor> tensors,
        ScalarType? dtype,
        IReadOnlyDictionary<string, string>? metadata = null,
        long maxBytes = long.MaxValue
    ) => SafetensorsWriter.WriteSharded(path, Entries(tensors, dtype), maxBytes, metadata);

    private static (string, string, long[], Action<Stream>)[] Entries(
        IEnumerable<LazyTensor> tensors,
        ScalarType? dtype
    ) =>
        [
            .. tensors.Select(t =>
            {
                var to = Target(t.Dtype, dtype);
                return (t.Name, Name(to), t.Shape, (Action<Stream>)(stream => Copy(t, to, stream)));
            }),
        ];

    /// <summary>Reads a tensor and writes its bytes, converted, some megabytes at a time.</summary>
    internal static void Copy(LazyTensor tensor, ScalarType dtype, Stream to)
    {
        const long most = 4 << 20;
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var flat = tensor.Read().reshape(-1);
        var bytes = new byte[Math.Min(most, flat.numel()) * torch.Tensor.SizeOf(dtype)];
        for (var at = 0L; at < flat.numel(); at += most)
        {
            using var part = torch.NewDisposeScope();
            var count = Math.Min(most, flat.numel() - at);
            var span = bytes.AsSpan(0, (int)count * torch.Tensor.SizeOf(dtype));
            flat.narrow(0, at, count).to(dtype).CopyTo(span);
            to.Write(span);
        }
    }
}
