using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Models;

namespace LongTake.Data;

[JsonSerializable(typeof(IReadOnlyList<LatentItem>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
internal sealed partial class VideoSetJson : JsonSerializerContext;

/// <summary>
/// What 'data ingest' leaves: <c>videos.json</c> (the items), <c>frames.safetensors</c> (their frames [F, H, W, 3] at the model's
/// rate and size). Latents are made from it for whichever autoencoder trains, so a new autoencoder never meets old latents.
/// </summary>
public static class VideoSet
{
    private const string Items = "videos.json", Frames = "frames.safetensors";

    /// <summary>Writes a set, its list last.</summary>
    public static void Write(string folder, IReadOnlyList<(LatentItem Item, byte[] Frames)> items, int height, int width)
    {
        Directory.CreateDirectory(folder);
        SafetensorsWriter.Write(Path.Combine(folder, Frames), [.. items.Select(i =>
            (i.Item.Name, "U8", new long[] { i.Frames.Length / (3 * height * width), height, width, 3 }, (Action<Stream>)(s => s.Write(i.Frames))))]);
        AtomicFile.Write(Path.Combine(folder, Items), s =>
            JsonSerializer.Serialize(s, [.. items.Select(i => i.Item)], VideoSetJson.Default.IReadOnlyListLatentItem));
    }

    /// <summary>The items of a set.</summary>
    public static IReadOnlyList<LatentItem> Read(string folder)
    {
        var path = Path.Combine(folder, Items);
        if (!File.Exists(path)) throw new UserException($"{folder}: no data set here (no {Items}). Make one with 'longtake data ingest VIDEOS -o {folder}'.", usage: true);
        try
        {
            using var stream = File.OpenRead(path);
            return JsonSerializer.Deserialize(stream, VideoSetJson.Default.IReadOnlyListLatentItem) ?? [];
        }
        catch (JsonException e) { throw new UserException($"{path}: not a readable list ({e.Message}); ingest again", inner: e); }
    }

    /// <summary>The set's latents for a model's autoencoder, made when they are not there yet.</summary>
    public static LatentSet Latents(string folder, ModelFolder model, string cache, IProgress<ProgressReport>? progress, CancellationToken cancel)
    {
        var items = Read(folder);
        using var file = SafetensorsSet.Open(Path.Combine(folder, Frames));
        Check(file, model.Config, folder);
        return Encoding.Run(model, $"{Path.GetFullPath(folder)} {File.GetLastWriteTimeUtc(Path.Combine(folder, Items)):O}",
            [.. items.Select(i => (i, (Func<byte[]>)(() => file.Bytes(i.Name).ToArray())))], cache, progress, cancel);
    }

    /// <summary>Random stretches of the training videos.</summary>
    public static Func<Rng, int, byte[]> Stretches(string folder, ModelConfig model)
    {
        var items = Read(folder).Where(i => !i.HeldOut).ToList();
        if (items.Count == 0) throw new UserException($"{folder}: the set has no videos to train on");
        return (random, frames) =>
        {
            using var file = SafetensorsSet.Open(Path.Combine(folder, Frames));
            Check(file, model, folder);
            var item = items[random.Int(items.Count)];
            var size = model.Width * model.Height * 3;
            var total = (int)file.Entry(item.Name).Shape[0];
            if (total < frames) throw new UserException($"{folder}: {item.Name} has {total} frames, the autoencoder trains on {frames}");
            return file.Bytes(item.Name).Slice(random.Int(total - frames + 1) * size, frames * size).ToArray();
        };
    }

    private static void Check(SafetensorsSet file, ModelConfig model, string folder)
    {
        var shape = file.Entry(file.Names[0]).Shape;
        if (shape[1] != model.Height || shape[2] != model.Width)
            throw new UserException($"{folder}: its frames are {shape[2]}x{shape[1]}, the model's {model.Width}x{model.Height}; ingest again for this model");
    }
}
