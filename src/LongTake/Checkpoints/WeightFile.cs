namespace LongTake.Checkpoints;

/// <summary>
/// A file of weights, or the shards that an index lists: safetensors, PyTorch's or GGUF, told apart by what they begin
/// with and not by their names.
/// </summary>
internal sealed class WeightFile : IDisposable
{
    private static readonly string[] endings =
    [
        ".safetensors",
        ".sft",
        ".gguf",
        ".pt",
        ".pth",
        ".ckpt",
        ".bin",
        IndexEnding,
    ];
    private readonly IDisposable opened;

    /// <summary>What an index of shards ends with.</summary>
    public const string IndexEnding = ".safetensors.index.json";

    private WeightFile(SafetensorsSet set)
    {
        opened = set;
        Groups = [("", set.Lazy())];
        Files = [.. set.Files.Select(f => f.FilePath)];
        Metadata = set.Metadata;
    }

    private WeightFile(string path, TorchFile file)
    {
        opened = file;
        Groups = [.. file.Groups.Select(g => (g.Key, g.Value))];
        Files = [path];
    }

    private WeightFile(string path, GgufFile file)
    {
        opened = file;
        Groups = [("", file.Tensors)];
        Files = [path];
        Metadata = file.Metadata;
    }

    /// <summary>Tensors by group; one group "" where the file has none.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<LazyTensor> Tensors)> Groups { get; }

    /// <summary>The files, shards one by one.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>What they say of themselves.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; } = new Dictionary<string, string>();

    /// <summary>Whether a file's name is that of weights.</summary>
    public static bool IsOne(string path) => endings.Any(e => path.EndsWith(e, StringComparison.OrdinalIgnoreCase));

    /// <summary>Whether it is one of PyTorch's, by its name.</summary>
    public static bool IsPickle(string path) =>
        IsOne(path) && Path.GetExtension(path).ToLowerInvariant() is ".pt" or ".pth" or ".ckpt" or ".bin";

    /// <summary>Opens a file.</summary>
    /// <exception cref="UserException">Not readable, broken, or refused.</exception>
    public static WeightFile Open(string path)
    {
        var start = new byte[9];
        try
        {
            using var file = File.OpenRead(path);
            file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { } // said by what opens it
        return start switch
        {
            [(byte)'G', (byte)'G', (byte)'U', (byte)'F', ..] => new(path, GgufFile.Open(path)),
            [(byte)'P', (byte)'K', 3, 4, ..] => new(path, TorchFile.Open(path)),
            [.., 0, 0, (byte)'{'] => new(SafetensorsSet.Open(path)),
            _ when path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) => new(path, GgufFile.Open(path)),
            _ when IsPickle(path) => new(path, TorchFile.Open(path)),
            _ => new(SafetensorsSet.Open(path)),
        };
    }

    /// <summary>Closes the files; what was read stays.</summary>
    public void Dispose() => opened.Dispose();
}
