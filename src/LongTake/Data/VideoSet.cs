using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Models;

namespace LongTake.Data;

/// <summary>An item of a set and where its frames lie: so many of the stored video from frame <paramref name="Start"/> on.</summary>
public sealed record VideoItem(LatentItem Item, string Video, int Start, int Frames);

/// <summary>What a set of videos is: rate and size of its frames, SHA-256 of them all, the items.</summary>
public sealed record VideoSetInfo(double Fps, int Width, int Height, string FramesHash, IReadOnlyList<VideoItem> Items);

[JsonSerializable(typeof(VideoSetInfo))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
internal sealed partial class VideoSetJson : JsonSerializerContext;

/// <summary>
/// What 'data ingest' leaves: <c>videos.json</c> (the items), <c>frames.safetensors</c> (the videos [F, H, W, 3] at the model's
/// rate and size; an item is a stretch of one, so a clip cut from a take costs nothing). Latents belong to an autoencoder: a new
/// autoencoder never meets old latents.
/// </summary>
public static class VideoSet
{
    private const string Items = "videos.json", Frames = "frames.safetensors", Fresh = Frames + ".new";

    /// <summary>True when the folder holds a whole set.</summary>
    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, Items));

    /// <summary>
    /// Writes a set, one video in memory at a time. The old set stays until all frames are written; there is no set, not half
    /// a one, in the moment after. <paramref name="beside"/> writes what else belongs to the set, in that moment.
    /// </summary>
    public static void Write(string folder, VideoSetInfo info, IReadOnlyList<(string Name, int Frames, Func<byte[]> Read)> videos, Action? beside = null)
    {
        Sweep(folder);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var fresh = Path.Combine(folder, Fresh);
        SafetensorsWriter.Write(fresh, [.. videos.Select(v =>
            (v.Name, "U8", new long[] { v.Frames, info.Height, info.Width, 3 }, (Action<Stream>)(s =>
            {
                var bytes = v.Read();
                hash.AppendData(bytes);
                s.Write(bytes);
            })))]);
        File.Delete(Path.Combine(folder, Items));
        File.Move(fresh, Path.Combine(folder, Frames), overwrite: true);
        beside?.Invoke();
        var whole = info with { FramesHash = Convert.ToHexStringLower(hash.GetHashAndReset()) };
        AtomicFile.Write(Path.Combine(folder, Items), s => JsonSerializer.Serialize(s, whole, VideoSetJson.Default.VideoSetInfo));
    }

    /// <summary>Clears away what a killed write left. No other process may be writing.</summary>
    public static void Sweep(string folder)
    {
        if (!Directory.Exists(folder)) return;
        foreach (var left in Directory.GetFiles(folder, $".{Frames}*.tmp").Append(Path.Combine(folder, Fresh))) File.Delete(left);
    }

    /// <summary>What a set is.</summary>
    /// <exception cref="UserException">No set there, or not a readable one.</exception>
    public static VideoSetInfo Read(string folder)
    {
        var path = Path.Combine(folder, Items);
        if (!Directory.Exists(folder)) throw new UserException($"{folder}: no such folder. Make a data set with 'longtake data ingest VIDEOS -o {folder}'.", usage: true);
        if (!File.Exists(path)) throw new UserException($"{folder}: no data set here (no {Items}). Make one with 'longtake data ingest VIDEOS -o {folder}'.", usage: true);
        try
        {
            using var stream = File.OpenRead(path);
            var info = JsonSerializer.Deserialize(stream, VideoSetJson.Default.VideoSetInfo);
            return info is { Items: not null } && info.Items.All(i => i is { Item: { Name: not null, Caption: not null }, Video: not null }) ? info
                : throw new UserException($"{path}: not the list of a data set; ingest again");
        }
        catch (JsonException e) { throw new UserException($"{path}: not a readable list ({e.Message}); ingest again", inner: e); }
    }

    /// <summary>What keeps a model from training on a set, before anything long begins.</summary>
    /// <exception cref="UserException">Usage: no set, of another geometry or rate, or without the takes or clips that are needed.</exception>
    public static void Require(string folder, ModelConfig model, bool takes)
    {
        var info = Read(folder);
        Fits(info, model, folder);
        var train = info.Items.Where(i => !i.Item.HeldOut).ToList();
        if (train.Count == 0) throw new UserException($"{folder}: the set has no videos to train on; ingest more", usage: true);
        if (takes && train.All(i => i.Item.Role != "take"))
            throw new UserException($"{folder}: the set has {(train.Count == 1 ? "one clip" : $"{train.Count} clips")} but no takes, and a stage of the recipe trains on takes: " +
                "ingest single shots of at least 10 s, or lower --min-seconds of 'data ingest'", usage: true);
    }

    /// <summary>The set's latents for a model's autoencoder: those beside the set, else in <paramref name="cache"/>, made when they are in neither.</summary>
    public static LatentSet Latents(string folder, ModelFolder model, string? cache, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        var info = Read(folder);
        Fits(info, model.Config, folder);
        using var file = Open(folder, info);
        var beside = Path.Combine(folder, "latents-" + model.Hash(ModelFolder.Vae));
        return Encoding.Run(model, "videos " + Signature(folder), [.. info.Items.Select(i => (i.Item, (Func<byte[]>)(() => Stretch(file, info, i, 0, i.Frames))))],
            cache is null || LatentSet.Exists(beside) ? beside : cache, progress, cancel);
    }

    /// <summary>Random stretches of the training videos.</summary>
    public static Func<Rng, int, byte[]> Stretches(string folder, ModelConfig model)
    {
        var info = Read(folder);
        Fits(info, model, folder);
        using (Open(folder, info)) { }
        var all = info.Items.Where(i => !i.Item.HeldOut).ToList();
        return (random, frames) =>
        {
            var items = all.Where(i => i.Frames >= frames).ToList();
            if (items.Count == 0) throw new UserException($"{folder}: none of its {all.Count} training videos has the {frames} frames that the autoencoder trains on");
            using var file = SafetensorsSet.Open(Path.Combine(folder, Frames));
            var item = items[random.Int(items.Count)];
            return Stretch(file, info, item, random.Int(item.Frames - frames + 1), frames);
        };
    }

    private static byte[] Stretch(SafetensorsSet file, VideoSetInfo info, VideoItem item, int from, int frames)
    {
        var size = info.Width * info.Height * 3;
        return file.Bytes(item.Video).Slice((item.Start + from) * size, frames * size).ToArray();
    }

    // Another list with the same frames (captions, roles) is another set of latents.
    private static string Signature(string folder) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, Items))));

    private static SafetensorsSet Open(string folder, VideoSetInfo info)
    {
        var file = SafetensorsSet.Open(Path.Combine(folder, Frames));
        var bad = info.Items.FirstOrDefault(i => i.Start < 0 || i.Frames < 1 || !file.Contains(i.Video)
            || file.Entry(i.Video) is var e && (e.Dtype != "U8" || e.Shape is not [var f, var h, var w, 3]
                || i.Start + (long)i.Frames > f || h != info.Height || w != info.Width));
        if (bad is null) return file;
        file.Dispose();
        throw new UserException($"{folder}: {Frames} does not hold the frames of '{bad.Item.Name}' that {Items} speaks of; ingest again");
    }

    private static void Fits(VideoSetInfo info, ModelConfig model, string folder)
    {
        if (info.Width != model.Width || info.Height != model.Height || info.Fps != model.Fps)
            throw new UserException($"{folder}: its frames are {info.Width}x{info.Height} at {info.Fps:0.###} a second, the model's " +
                $"{model.Width}x{model.Height} at {model.Fps:0.###}; ingest again for this model", usage: true);
    }
}
