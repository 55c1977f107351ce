using System.Text.Json;

namespace LongTake.Tensors;

/// <summary>
/// The tensors of one safetensors file, or of the shards that an index (<c>*.safetensors.index.json</c>) lists: the
/// same reading surface as <see cref="SafetensorsFile"/>.
/// </summary>
public sealed unsafe class SafetensorsSet : IDisposable
{
    private readonly List<SafetensorsFile> files = [];
    private readonly Dictionary<string, SafetensorsFile> homes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> metadata = new(StringComparer.Ordinal);
    private readonly List<string> names = [];
    private readonly string path;

    private SafetensorsSet(string path) => this.path = path;

    /// <summary>The path it was opened with.</summary>
    public string OpenedPath => path;

    /// <summary>The files the tensors come from.</summary>
    public IReadOnlyList<SafetensorsFile> Files => files;

    /// <summary>Tensor names: file by file, each in its header's order.</summary>
    public IReadOnlyList<string> Names => names;

    /// <summary>The files' metadata together; where two files differ on a key, the first one's.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <summary>Opens a file, an index, or a folder that holds one index or else one file.</summary>
    /// <exception cref="UserException">Nothing there, more than one choice, a missing shard, or a broken
    /// file.</exception>
    public static SafetensorsSet Open(string path)
    {
        var set = new SafetensorsSet(path);
        try
        {
            var file = Directory.Exists(path) ? Choose(path) : path;
            if (file.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                set.AddIndex(file);
            else
                set.Add(file);
            return set;
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>Whether a tensor of that name is there.</summary>
    public bool Contains(string name) => homes.ContainsKey(name);

    /// <inheritdoc cref="SafetensorsFile.Entry"/>
    public SafetensorsEntry Entry(string name) => Home(name).Entry(name);

    /// <inheritdoc cref="SafetensorsFile.Bytes"/>
    public ReadOnlySpan<byte> Bytes(string name) => Home(name).Bytes(name);

    /// <inheritdoc cref="SafetensorsFile.Pointer"/>
    public byte* Pointer(string name, out long length) => Home(name).Pointer(name, out length);

    /// <summary>Unmaps all files.</summary>
    public void Dispose() => files.ForEach(f => f.Dispose());

    private SafetensorsFile Home(string name) =>
        homes.TryGetValue(name, out var file)
            ? file
            : throw new UserException(
                $"{path}: has no tensor '{name}' among its {homes.Count}. Is it of another model?"
            );

    private static string Choose(string folder)
    {
        string[] indexes = Directory.GetFiles(folder, "*.safetensors.index.json");
        var found = indexes.Length > 0 ? indexes : Directory.GetFiles(folder, "*.safetensors");
        Array.Sort(found, StringComparer.Ordinal);
        return found switch
        {
            [var one] => one,
            [] => throw new UserException($"{folder}: holds neither a .safetensors file nor an index of shards."),
            _ => throw new UserException(
                $"{folder}: which one? Name one of {string.Join(", ", found.Select(Path.GetFileName))}."
            ),
        };
    }

    private SafetensorsFile Add(string file)
    {
        var opened = SafetensorsFile.Open(file);
        files.Add(opened);
        names.AddRange(opened.Names);
        foreach (var name in opened.Names)
            if (!homes.TryAdd(name, opened))
                throw new UserException(
                    $"{file}: tensor {SafetensorsHeader.Quote(name)} is also in {homes[name].FilePath}. "
                        + "A tensor must be in exactly one shard: save or download the set again."
                );
        foreach (var (key, value) in opened.Metadata)
            metadata.TryAdd(key, value);
        return opened;
    }

    private void AddIndex(string index)
    {
        var map = ReadIndex(index);
        var folder = Path.GetDirectoryName(Path.GetFullPath(index))!;
        foreach (var shard in map.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal))
        {
            if (shard.Length == 0 || Path.GetFileName(shard) != shard || shard is "." or "..")
                throw Bad(index, $"shard {SafetensorsHeader.Quote(shard)} is not a plain file name");
            var file = Path.Combine(folder, shard);
            if (!File.Exists(file))
                throw new UserException($"{index}: shard {shard} is missing from {folder}. Download or copy it there.");
            foreach (var name in Add(file).Names)
                if (!map.TryGetValue(name, out var home) || home != shard)
                    throw Bad(
                        index,
                        $"{shard} holds tensor {SafetensorsHeader.Quote(name)}, which weight_map "
                            + (home is null ? "does not list" : $"places in {home}")
                    );
        }
        foreach (var (name, shard) in map)
            if (!homes.ContainsKey(name))
                throw Bad(index, $"tensor {SafetensorsHeader.Quote(name)} is not in {shard}");
    }

    private static Dictionary<string, string> ReadIndex(string index)
    {
        Impostor.Refuse(index);
        try
        {
            var options = new JsonDocumentOptions { AllowDuplicateProperties = false };
            using var json = JsonDocument.Parse(File.ReadAllBytes(index), options);
            if (
                json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("weight_map", out var map)
                || map.ValueKind != JsonValueKind.Object
            )
                throw Bad(index, "it has no 'weight_map' that maps tensor names to files");
            return map.EnumerateObject()
                .ToDictionary(
                    m => m.Name,
                    m =>
                        m.Value.ValueKind == JsonValueKind.String
                            ? m.Value.GetString()!
                            : throw Bad(index, $"the shard of {SafetensorsHeader.Quote(m.Name)} is not a text")
                );
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Bad(index, $"it is not valid JSON ({e.Message.TrimEnd('.')})");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{index}: cannot be read ({e.Message}).", inner: e);
        }
    }

    private static UserException Bad(string index, string what) =>
        new($"{index}: not a valid index of shards: {what}. Download or save it again.");
}
