using System.Text.Json;
using System.Text.Json.Serialization;

namespace LongTake.Data;

/// <summary>One video of a set: a take (long, uncut) or a clip (short), with its captions.</summary>
public sealed record LatentItem(string Name, string Role, int Latents, string Caption)
{
    /// <summary>Captions of equal stretches of the video, in order; empty when there are none.</summary>
    // what a description of an older version lacks is read as null
    public IReadOnlyList<string> Locals
    {
        get => field ?? [];
        init;
    }

    /// <summary>Where it came from.</summary>
    public string? Source { get; init; }

    /// <summary>Not trained on: held out for validation.</summary>
    public bool HeldOut { get; init; }

    /// <summary>File that holds its latents, within the set's folder.</summary>
    public string Shard
    {
        get => field ?? "latents.safetensors";
        init;
    }

    /// <summary>Size of its frames, "832x480"; "" when all of the set have the one that the set names.</summary>
    public string Size
    {
        get => field ?? "";
        init;
    }

    /// <summary>The caption of the stretch around a latent; empty when there is none.</summary>
    public string LocalAt(double latent) =>
        Locals.Count == 0 ? "" : Locals[Math.Clamp((int)(latent / Latents * Locals.Count), 0, Locals.Count - 1)];
}

/// <summary>What a set of latents was made from; another autoencoder or geometry means another set.</summary>
public sealed record LatentSetInfo(
    string VaeHash,
    double Fps,
    int Width,
    int Height,
    string Made,
    IReadOnlyList<LatentItem> Items
);

[JsonSerializable(typeof(LatentSetInfo))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = false)]
internal sealed partial class LatentSetJson : JsonSerializerContext;

/// <summary>
/// Encoded videos on disk: <c>set.json</c> says what they are, shards (safetensors) hold one bfloat16 tensor [C, T, h,
/// w] per item, mapped when wanted.
/// </summary>
public sealed class LatentSet : IDisposable
{
    private const int MostOpen = 64;
    private readonly Dictionary<string, SafetensorsSet> open = [];
    private readonly Queue<string> oldest = new();
    private readonly HashSet<string> whole = []; // hashed by this process

    private LatentSet(string folder, LatentSetInfo info)
    {
        (Folder, Info) = (folder, info);
        Takes = [.. info.Items.Where(i => i.Role == "take" && !i.HeldOut)];
        Clips = [.. info.Items.Where(i => i.Role == "clip" && !i.HeldOut)];
    }

    public string Folder { get; }
    public LatentSetInfo Info { get; }

    /// <summary>The long videos to train on.</summary>
    public IReadOnlyList<LatentItem> Takes { get; }

    /// <summary>The short videos to train on.</summary>
    public IReadOnlyList<LatentItem> Clips { get; }

    /// <summary>True when the folder holds a finished set.</summary>
    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, "set.json"));

    /// <summary>Opens a set that is whole and is exactly this; null when the folder holds no such set.</summary>
    internal static LatentSet? Open(string folder, LatentSetInfo wanted)
    {
        try
        {
            var found = Exists(folder) ? Open(folder) : null;
            if (found is null || Text(found.Info) == Text(wanted))
                return found;
            found.Dispose();
            return null;
        }
        catch (UserException)
        {
            return null; // damaged
        }

        static string Text(LatentSetInfo info) => JsonSerializer.Serialize(info, LatentSetJson.Default.LatentSetInfo);
    }

    /// <summary>Opens a set; a clear error when the folder holds none.</summary>
    public static LatentSet Open(string folder)
    {
        var path = Path.Combine(folder, "set.json");
        if (!File.Exists(path))
            throw new UserException(
                $"{folder}: no data set here (no set.json). Make one with 'longtake data ingest VIDEOS -o {folder}'."
            );
        var info = SealedJson.Read(path, LatentSetJson.Default.LatentSetInfo);
        return
            info.Items.Select(i => i.Shard).Distinct().FirstOrDefault(s => !File.Exists(Path.Combine(folder, s)))
                is { } gone
            ? throw new UserException($"{Path.Combine(folder, gone)}: missing, and {path} names it; make the set again")
            : new LatentSet(folder, info);
    }

    /// <summary>The latents of an item, [1, C, T, h, w] in float32, in the current scope.</summary>
    public Tensor Latents(LatentItem item)
    {
        lock (open)
            return Shard(item).Tensor(item.Name).to(ScalarType.Float32).unsqueeze(0);
    }

    /// <summary>Shape of an item's latents, [1, C, T, h, w], in an array of its own.</summary>
    public long[] Shape(LatentItem item)
    {
        lock (open)
            return [1, .. Shard(item).Entry(item.Name).Shape];
    }

    private SafetensorsSet Shard(LatentItem item)
    {
        if (open.TryGetValue(item.Shard, out var file))
            return file;
        if (oldest.Count == MostOpen && open.Remove(oldest.Dequeue(), out var first))
            first.Dispose();
        var path = Path.Combine(Folder, item.Shard);
        open[item.Shard] = file = whole.Contains(item.Shard) ? SafetensorsSet.Open(path) : SealedTensors.Open(path);
        whole.Add(item.Shard);
        oldest.Enqueue(item.Shard);
        return file;
    }

    /// <summary>Writes a set of one shard; the description last, so that a broken run leaves no set.</summary>
    public static void Write(string folder, LatentSetInfo info, IReadOnlyDictionary<string, Tensor> latents)
    {
        Directory.CreateDirectory(folder);
        File.Delete(Path.Combine(folder, "set.json")); // an old description must never stand beside new latents
        SealedTensors.Write(Path.Combine(folder, "latents.safetensors"), latents, ScalarType.BFloat16);
        Describe(folder, info);
    }

    /// <summary>Writes the description of a set whose shards are there.</summary>
    internal static void Describe(string folder, LatentSetInfo info) =>
        SealedJson.Write(Path.Combine(folder, "set.json"), info, LatentSetJson.Default.LatentSetInfo);

    /// <summary>Closes the shards.</summary>
    public void Dispose()
    {
        foreach (var file in open.Values)
            file.Dispose();
        open.Clear();
        oldest.Clear();
    }
}
