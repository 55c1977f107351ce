namespace LongTake.Tensors;

/// <summary>
/// The parameters of a network: an ordered set of names, and a place in it. <c>weights / "blocks" / 3 / "qkv"</c> is a
/// place; layers ask it for tensors. Creating and loading are one code path: a tensor that a source holds is taken from
/// there, otherwise it is drawn. EMA, optimiser, freezing, counting, saving are functions over the set.
/// </summary>
public sealed class Weights : IDisposable
{
    private readonly Store store;
    private readonly string prefix;

    private sealed class Store(Func<string, Tensor?>? source, Rng? random, ScalarType dtype, torch.Device? device)
    {
        public readonly Func<string, Tensor?>? Source = source;
        public readonly Rng? Random = random;
        public readonly ScalarType Dtype = dtype;
        public readonly torch.Device Device = device ?? torch.CPU;
        public readonly OrderedDictionary<string, Tensor> Tensors = [];
        public bool OnlyShapes { get; init; }
        public Func<string, bool>? Streams { get; init; }
        public Func<string, bool>? Bytes { get; init; }
        public readonly Dictionary<string, Int8Matrix> Int8 = [];
        public readonly Dictionary<Tensor, (long Version, Tensor Made)> Derived = new(
            ReferenceEqualityComparer.Instance
        );
        public readonly HashSet<string> There = []; // of the streamed ones
        public long Now,
            Peak;
    }

    private Weights(Store store, string prefix) => (this.store, this.prefix) = (store, prefix);

    /// <summary>New parameters, drawn from <paramref name="random"/>.</summary>
    public static Weights Create(Rng random, ScalarType dtype = ScalarType.Float32, torch.Device? device = null) =>
        new(new Store(null, random, dtype, device), "");

    /// <summary>
    /// Parameters read from a source (a name to a tensor of the current scope, or null); a name it lacks is drawn from
    /// <paramref name="random"/>, or an error without one.
    /// </summary>
    public static Weights Load(
        Func<string, Tensor?> source,
        ScalarType dtype = ScalarType.Float32,
        torch.Device? device = null,
        Rng? random = null
    ) => new(new Store(source, random, dtype, device), "");

    /// <summary>
    /// Parameters read from a source, of which linear layers keep of the parameters that <paramref name="bytes"/> picks
    /// only an <see cref="Int8Matrix"/>, and in the set a name and a shape.
    /// </summary>
    public static Weights LoadInt8(
        Func<string, Tensor?> source,
        Func<string, bool> bytes,
        ScalarType dtype = ScalarType.Float32
    ) => new(new Store(source, null, dtype, null) { Bytes = bytes }, "");

    /// <summary>
    /// Parameters read from a source; of those that <paramref name="streams"/> picks there is only a name and a shape
    /// until <see cref="WeightStream.InTurn"/> brings them; the source must stay open, and is then read by another
    /// thread.
    /// </summary>
    public static Weights Streamed(
        Func<string, Tensor?> source,
        Func<string, bool> streams,
        ScalarType dtype = ScalarType.Float32,
        torch.Device? device = null
    ) => new(new Store(source, null, dtype, device) { Streams = streams }, "");

    /// <summary>
    /// Names and shapes of the parameters that <paramref name="build"/> asks for, in its order; none of them takes
    /// memory.
    /// </summary>
    public static OrderedDictionary<string, long[]> Shapes(Action<Weights> build)
    {
        using var shapes = new Weights(new Store(null, null, ScalarType.Float32, null) { OnlyShapes = true }, "");
        build(shapes);
        return new(shapes.All.Select(p => KeyValuePair.Create(p.Key, p.Value.shape)));
    }

    /// <summary>A place one name further in.</summary>
    public static Weights operator /(Weights at, string name) =>
        new(at.store, at.prefix.Length == 0 ? name : $"{at.prefix}.{name}");

    /// <summary>A place one index further in.</summary>
    public static Weights operator /(Weights at, int index) => at / index.ToString();

    /// <summary>The name of this place.</summary>
    public string Path => prefix;

    /// <summary>
    /// The parameter <paramref name="name"/> of this place; drawn normally with std <paramref name="std"/>
    /// around <paramref name="mean"/> when no source has it.
    /// </summary>
    public Tensor Parameter(string name, ReadOnlySpan<long> shape, double std = 0, double mean = 0)
    {
        var full = (this / name).prefix;
        if (store.Tensors.TryGetValue(full, out var existing))
            return Checked(full, existing, shape);
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        if (store.OnlyShapes || store.Streams?.Invoke(full) == true)
        {
            var one = Empty(shape).DetachFromDisposeScope();
            store.Tensors.Add(full, one);
            return one;
        }
        var made = store.Source?.Invoke(full) is { } read ? Checked(full, read, shape) : Draw(full, shape, std, mean);
        var own = made.to(store.Dtype).to(store.Device).clone().DetachFromDisposeScope();
        store.Tensors.Add(full, own);
        return own;
    }

    /// <summary>
    /// The parameter <paramref name="name"/> of this place, a matrix, as bytes where the set wants that; its floats are
    /// let go.
    /// </summary>
    public Int8Matrix? Int8(string name)
    {
        var full = (this / name).prefix;
        if (store.OnlyShapes || store.Bytes?.Invoke(full) != true)
            return null;
        if (store.Int8.TryGetValue(full, out var made))
            return made;
        using var scope = torch.NewDisposeScope();
        var tensor = store.Tensors[full];
        store.Int8.Add(full, made = new(tensor));
        Replace(tensor, Empty(tensor.shape));
        return made;
    }

    /// <summary>
    /// What <paramref name="make"/> makes of a parameter of this set: made at the first call, and again when the
    /// parameter's numbers have changed since. It is freed with the set.
    /// </summary>
    public Tensor Derived(Tensor parameter, Func<Tensor, Tensor> make)
    {
        var version = version_.CallNumber(parameter);
        if (store.Derived.TryGetValue(parameter, out var found) && found.Version == version)
            return found.Made;
        found.Made?.Dispose();
        var made = make(parameter).DetachFromDisposeScope();
        store.Derived[parameter] = (version, made);
        return made;
    }

    private static readonly Operator version_ = new("aten::_version");

    // One element, seen everywhere: a shape that takes no memory.
    private Tensor Empty(ReadOnlySpan<long> shape) => torch.full([], 0, store.Dtype).to(store.Device).expand(shape);

    /// <summary>Whether parameters at and under this place are streamed.</summary>
    public bool Streams => Streamable.Any();

    private IEnumerable<KeyValuePair<string, Tensor>> Streamable =>
        store.Streams is { } streams ? All.Where(p => streams(p.Key)) : [];

    /// <summary>Bytes of the streamed parameters that are there now, and the most that ever were.</summary>
    public (long Now, long Peak) StreamedBytes => (Interlocked.Read(ref store.Now), Interlocked.Read(ref store.Peak));

    /// <summary>The device the parameters are on.</summary>
    public torch.Device Device => store.Device;

    // Reads the streamed parameters of this place. Called by one thread at a time, while others read other places.
    internal void Bring()
    {
        using var off = torch.no_grad();
        foreach (var (name, tensor) in Streamable.ToList())
        {
            using var scope = torch.NewDisposeScope();
            var read = store.Source!(name) ?? throw Missing(name);
            var made = Checked(name, read, tensor.shape).to(store.Dtype).to(store.Device);
            var bytes = made.Bytes;
            Replace(tensor, made);
            lock (store.There)
            {
                store.There.Add(name);
                store.Now += bytes;
                store.Peak = Math.Max(store.Peak, store.Now);
            }
        }
    }

    // Frees what Bring has read.
    internal void LetGo()
    {
        using var off = torch.no_grad();
        foreach (var (name, tensor) in Streamable.ToList())
        {
            using var scope = torch.NewDisposeScope();
            lock (store.There)
            {
                if (!store.There.Remove(name))
                    continue;
                store.Now -= tensor.Bytes;
            }
            Replace(tensor, Empty(tensor.shape));
        }
    }

    // Whoever holds the tensor sees the memory of the other one.
    private static void Replace(Tensor tensor, Tensor by)
    {
        using var off = torch.no_grad();
        tensor.set_(by);
    }

    private static Tensor Checked(string name, Tensor tensor, ReadOnlySpan<long> shape) =>
        tensor.shape.AsSpan().SequenceEqual(shape)
            ? tensor
            : throw new UserException(
                $"weight '{name}' has shape [{string.Join(", ", tensor.shape)}], the configuration wants "
                    + $"[{string.Join(", ", shape.ToArray())}]; check that the config belongs to this checkpoint"
            );

    private static UserException Missing(string name) =>
        new($"the checkpoint holds no weight '{name}'; it may belong to another model, or be incomplete");

    private Tensor Draw(string name, ReadOnlySpan<long> shape, double std, double mean)
    {
        if (store.Random is null)
            throw Missing(name);
        if (std == 0)
            return torch.full(shape, mean);
        using var generator = new torch.Generator((ulong)store.Random.Seed());
        return torch.randn(shape, generator: generator) * std + mean;
    }

    /// <summary>The parameters at and under this place, in the order they were asked for.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> All =>
        store.Tensors.Where(p =>
            prefix.Length == 0 || p.Key == prefix || p.Key.StartsWith(prefix + ".", StringComparison.Ordinal)
        );

    /// <summary>The tensors at and under this place.</summary>
    public IReadOnlyList<Tensor> Tensors => [.. All.Select(p => p.Value)];

    /// <summary>Number of elements at and under this place.</summary>
    public long Count => All.Sum(p => p.Value.numel());

    /// <summary>Marks every tensor here as (not) wanting a gradient; returns itself.</summary>
    public Weights Trainable(bool wanted = true)
    {
        foreach (var t in Tensors)
            t.requires_grad_(wanted);
        return this;
    }

    /// <summary>
    /// Copies the values of equally named tensors from <paramref name="other"/>; both sets must have the same names.
    /// </summary>
    public void CopyFrom(Weights other)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var from = other.All.ToDictionary();
        foreach (var (name, tensor) in All)
        {
            var relative = prefix.Length == 0 ? name : name[(prefix.Length + 1)..];
            var full = other.prefix.Length == 0 ? relative : $"{other.prefix}.{relative}";
            tensor.copy_(
                from.TryGetValue(full, out var value)
                    ? value
                    : throw new TorchException($"no weight '{full}' to copy from")
            );
        }
    }

    /// <summary>Frees every tensor of the set.</summary>
    public void Dispose()
    {
        foreach (var (_, matrix) in store.Int8)
            matrix.Dispose();
        store.Int8.Clear();
        foreach (var (_, derived) in store.Derived.Values)
            derived.Dispose();
        store.Derived.Clear();
        foreach (var (_, tensor) in store.Tensors)
            tensor.Dispose();
        store.Tensors.Clear();
    }
}
