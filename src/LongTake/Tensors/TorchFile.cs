namespace LongTake.Tensors;

/// <summary>
/// A memory-mapped file of PyTorch (<c>.pt</c>, <c>.pth</c>): a zip archive of one pickle and, stored as they are, the
/// bytes of the tensors. Read with a restricted reader (<see cref="Unpickler"/>): nothing in it is ever run.
/// Dictionaries of tensors are its groups: a state dictionary is the group "", a file of several has the groups
/// "generator", "critic", "model/state_dict".
/// </summary>
public sealed unsafe class TorchFile : IDisposable
{
    private const int MaxDepth = 6,
        MaxGroups = 50_000,
        MaxGroupName = 200;

    private static readonly Dictionary<string, ScalarType> elements = new()
    {
        ["float64"] = ScalarType.Float64,
        ["double"] = ScalarType.Float64,
        ["float32"] = ScalarType.Float32,
        ["float"] = ScalarType.Float32,
        ["float16"] = ScalarType.Float16,
        ["half"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
        ["int64"] = ScalarType.Int64,
        ["long"] = ScalarType.Int64,
        ["int32"] = ScalarType.Int32,
        ["int"] = ScalarType.Int32,
        ["int16"] = ScalarType.Int16,
        ["short"] = ScalarType.Int16,
        ["int8"] = ScalarType.Int8,
        ["uint8"] = ScalarType.Byte,
        ["bool"] = ScalarType.Bool,
    };

    /// <summary>PyTorch's name of a storage, by element type.</summary>
    internal static IReadOnlyDictionary<ScalarType, string> Storages { get; } =
        new Dictionary<ScalarType, string>
        {
            [ScalarType.Float64] = "DoubleStorage",
            [ScalarType.Float32] = "FloatStorage",
            [ScalarType.Float16] = "HalfStorage",
            [ScalarType.BFloat16] = "BFloat16Storage",
            [ScalarType.Int64] = "LongStorage",
            [ScalarType.Int32] = "IntStorage",
            [ScalarType.Int16] = "ShortStorage",
            [ScalarType.Int8] = "CharStorage",
            [ScalarType.Byte] = "ByteStorage",
            [ScalarType.Bool] = "BoolStorage",
        };

    private readonly MappedFile map;
    private readonly ZipDirectory zip;
    private readonly string folder;
    private readonly OrderedDictionary<string, IReadOnlyList<LazyTensor>> groups = [];

    // A storage's bytes in the file; of an untyped one, the tensor gives the elements' type.
    private sealed record Stored(long Offset, long Bytes, ScalarType? Dtype);

    private sealed record Placed(ScalarType Dtype, long[] Shape, long[] Strides, long Offset, long Span);

    private TorchFile(MappedFile map)
    {
        this.map = map;
        var first = map.Span(0, 4);
        if (!first.SequenceEqual("PK\u0003\u0004"u8))
            throw Broken(
                map.Path,
                first[0] == 0x80 ? "it is in the form of before PyTorch 1.6, a bare pickle" : "it is no zip archive"
            );
        zip = new ZipDirectory(map);
        string[] pickles =
        [
            .. zip.Names.Where(n => n == "data.pkl" || n.EndsWith("/data.pkl", StringComparison.Ordinal)),
        ];
        folder = pickles is [var one]
            ? one[..^"data.pkl".Length]
            : throw Broken(map.Path, $"it holds {pickles.Length} data.pkl, not one");
        if (zip.Names.Any(n => n.StartsWith(folder + "code/", StringComparison.Ordinal)))
            throw Broken(map.Path, "it is a TorchScript program, not weights");
        if (
            zip.Find(folder + "byteorder") is { } order
            && !map.Span(order.Offset, (int)Math.Min(20, order.Length)).SequenceEqual("little"u8)
        )
            throw Broken(map.Path, "it was written on a machine of another byte order");
        var (at, length) = zip.Find(pickles[0])!.Value;
        if (length > Unpickler.MaxBytes)
            throw Broken(map.Path, $"its pickle has {length} bytes, the limit is {Unpickler.MaxBytes}");
        var root = new Unpickler(
            map.Span(at, (int)length),
            Call,
            StorageOf,
            what => Broken(map.Path, what),
            what => Refused(map.Path, what)
        ).Read();
        if (root is Placed alone)
            groups.Add("", [Lazy("", alone)]);
        else if (root is PickleDict top)
            Collect(top, "", 0, new(ReferenceEqualityComparer.Instance));
        if (groups.Count == 0)
            throw Broken(map.Path, "it holds no dictionary of tensors");
    }

    /// <summary>Dictionaries of tensors by path, in the file's order.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<LazyTensor>> Groups => groups;

    /// <summary>Maps and checks a file.</summary>
    /// <exception cref="UserException">No such file, not readable, a broken rule, or anything in it that could run
    /// code.</exception>
    public static TorchFile Open(string path)
    {
        var map = MappedFile.Open(path, 22, ".pt or .pth")
            ?? throw Broken(path, "fewer than 22 bytes are too few for an archive");
        try
        {
            return new TorchFile(map);
        }
        catch
        {
            map.Dispose();
            throw;
        }
    }

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => map.Dispose();

    internal static UserException Broken(string path, string what) =>
        new(
            $"{path}: not a PyTorch file that can be read: {what}. Download it again, or have its tensors "
                + $"saved as safetensors."
        );

    internal static UserException Refused(string path, string what) =>
        new(
            $"{path}: refused, and nothing in it was run: its pickle holds {what}. Weights are tensors, "
                + $"texts, numbers, lists and dictionaries; "
                + "do not load this file with a program that runs pickles, and ask its maker for safetensors."
        );

    /// <summary>The element type of "torch.FloatStorage" and its like; null for other names.</summary>
    internal static ScalarType? Storage(string name) =>
        Storages.Where(s => name == "torch." + s.Value).Select(s => (ScalarType?)s.Key).FirstOrDefault();

    /// <summary>The element type of "torch.bfloat16" and its like; null for other names.</summary>
    internal static ScalarType? ElementType(string name) =>
        name.StartsWith("torch.", StringComparison.Ordinal) && elements.TryGetValue(name[6..], out var dtype)
            ? dtype
            : null;

    private object? Call(string name, object?[] arguments) =>
        (name, arguments) switch
        {
            ("collections.OrderedDict", []) => new PickleDict(),
            (
                "torch._utils._rebuild_tensor"
                    or "torch._utils._rebuild_tensor_v2",
                [Stored s, long offset, object?[] size, object?[] stride, ..]
            ) => Place(s, offset, size, stride, s.Dtype),
            (
                "torch._utils._rebuild_tensor_v3",
                [Stored s, long offset, object?[] size, object?[] stride, _, _, PickleName type, ..]
            ) => Place(s, offset, size, stride, ElementType(type.Name)),
            (
                "torch._utils._rebuild_parameter"
                    or "torch._utils._rebuild_parameter_with_state"
                    or "torch.nn.parameter.Parameter",
                [Placed tensor, ..]
            ) => tensor,
            ("torch.Size", [object?[] sizes]) => sizes,
            ("torch.device" or "builtins.set" or "__builtin__.set", _) => new PickleOther(name),
            _ => throw Broken(map.Path, $"it calls {name} with arguments that do not belong to it"),
        };

    private Stored StorageOf(object?[] id)
    {
        if (id is not ["storage", PickleName { Name: var type }, string key, _, long count, ..])
            throw Broken(map.Path, "it names a storage in an unknown way");
        var untyped = type is "torch.storage.UntypedStorage" or "torch.storage._UntypedStorage";
        ScalarType? dtype = untyped
            ? null
            : Storage(type) ?? throw Broken(map.Path, $"{SafetensorsHeader.Quote(type)} is no storage");
        var found = zip.Find($"{folder}data/{key}")
            ?? throw Broken(map.Path, $"storage {SafetensorsHeader.Quote(key)} is missing");
        var item = dtype is { } d ? Tensor.SizeOf(d) : 1;
        if (count < 0 || (Int128)count * item != found.Length)
            throw Broken(
                map.Path,
                $"storage {SafetensorsHeader.Quote(key)} has {found.Length} bytes, its pickle says {count} "
                    + $"elements of {item}"
            );
        return new(found.Offset, found.Length, dtype);
    }

    private Placed Place(Stored stored, long offset, object?[] size, object?[] stride, ScalarType? type)
    {
        var dtype = type ?? throw Broken(map.Path, "a tensor in it has an element type that is not read here");
        if (size.Length != stride.Length || !size.All(n => n is long) || !stride.All(n => n is >= 0L) || offset < 0)
            throw Broken(map.Path, "a tensor in it has an impossible shape");
        long[] shape = [.. size.Cast<long>()],
            strides = [.. stride.Cast<long>()];
        if (!LazyTensor.Fits(shape))
            throw Broken(map.Path, "a tensor in it has an impossible shape");
        if (shape.Contains(0))
            return new(dtype, shape, strides, stored.Offset, 0);
        var item = Tensor.SizeOf(dtype);
        var available = stored.Bytes / item;
        Int128 count = 1,
            last = offset;
        for (var i = 0; i < shape.Length; i++)
            (count, last) = (count * shape[i], last + (Int128)(shape[i] - 1) * strides[i]);
        // More elements than stored: a view that repeats some, which a file of weights has no reason to hold.
        if (count > available || last >= available)
            throw Broken(
                map.Path,
                $"a tensor [{string.Join(", ", shape)}] in it reaches beyond its storage of {available} elements"
            );
        return new(dtype, shape, strides, stored.Offset + offset * item, (long)last - offset + 1);
    }

    // Each dictionary is looked at once, however often the file names it, and none deeper or under longer names than
    // any real checkpoint's: a small file must not grow by being walked.
    private void Collect(PickleDict dict, string path, int depth, HashSet<object> seen)
    {
        if (depth > MaxDepth || !seen.Add(dict))
            return;
        var tensors = new OrderedDictionary<string, LazyTensor>();
        foreach (var (key, value) in dict.Pairs)
            if (value is Placed tensor && key is string name)
                tensors[name] = Lazy(name, tensor);
        if (tensors.Count > 0)
        {
            if (groups.Count == MaxGroups)
                throw Broken(map.Path, $"it holds more than {MaxGroups} dictionaries of tensors");
            groups[path] = [.. tensors.Values];
        }
        foreach (var (key, value) in dict.Pairs)
            if (
                value is PickleDict inside
                && (key is long or string { Length: < MaxGroupName })
                && !seen.Contains(inside)
            )
                Collect(inside, path.Length == 0 ? $"{key}" : $"{path}/{key}", depth + 1, seen);
    }

    private LazyTensor Lazy(string name, Placed t) => new(name, t.Dtype, t.Shape, () =>
        {
            var at = map.At(t.Offset, t.Span * Tensor.SizeOf(t.Dtype));
            if (IsContiguous(t))
                return Tensor.FromPointer(at, t.Dtype, t.Shape);
            using var scope = torch.NewDisposeScope();
            return Tensor
                .FromPointer(at, t.Dtype, [t.Span])
                .as_strided(t.Shape, t.Strides, Tensor.FromPointer(at, t.Dtype, [t.Span]).storage_offset())
                .contiguous()
                .MoveToOuterDisposeScope();
        });

    private static bool IsContiguous(Placed t)
    {
        var expected = 1L;
        for (var i = t.Shape.Length - 1; i >= 0; i--)
        {
            if (t.Shape[i] != 1 && t.Strides[i] != expected)
                return t.Span == 0;
            expected *= t.Shape[i];
        }
        return true;
    }
}
