using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>
/// A single shot, or a part of one, as it is prepared for training: where it lies, and the rate and size it is brought
/// to.
/// </summary>
/// <param name="Id">Name of the video within the set, from what it is made of.</param>
/// <param name="Path">The video it is from.</param>
/// <param name="Content">SHA-256 of that video.</param>
/// <param name="First">Stamp of the video's first frame, seconds.</param>
/// <param name="Start">Stamp of its first frame, seconds; null is the beginning of the video.</param>
/// <param name="Fps">Frames taken a second: the set's, less when the take is subsampled.</param>
/// <param name="Frames">Frames taken, 4 k + 1.</param>
/// <param name="Crop">What is left when black bars are cut away, in pixels of the video as shown; null is all of
/// it.</param>
public sealed record Footage(
    string Id,
    string Path,
    string Content,
    double First,
    double? Start,
    double Fps,
    int Frames,
    int Width,
    int Height,
    Rectangle? Crop
)
{
    /// <summary>The colour that its pixels are read by; null where ffmpeg does right by itself.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public VideoColour? Colour { get; init; }

    internal int FrameBytes => 3 * Width * Height;
}

/// <summary>
/// An item of a set and where its frames lie: so many of a video from frame <paramref name="Start"/> on.
/// </summary>
public sealed record VideoItem(LatentItem Item, string Video, int Start, int Frames);

/// <summary>
/// What a set of videos is: its rate, the sizes the recipe asked for (none: the model's), videos, and what is trained
/// on.
/// </summary>
public sealed record VideoSetInfo(
    double Fps,
    IReadOnlyList<string> Buckets,
    IReadOnlyList<Footage> Videos,
    IReadOnlyList<VideoItem> Items
);

[JsonSerializable(typeof(VideoSetInfo))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    NewLine = "\n"
)]
internal sealed partial class VideoSetJson : JsonSerializerContext;

/// <summary>
/// What 'data ingest' leaves: <c>videos.json</c> lists videos (stretches of videos) and items (stretches of videos; a
/// clip cut from a take is one), <c>latents-HASH</c> holds them as the autoencoder with that hash sees them. Pixels
/// stay in the videos.
/// </summary>
public static class VideoSet
{
    private const string List = "videos.json";

    /// <summary>True when the folder holds a whole set.</summary>
    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, List));

    /// <summary>Writes the list, whole or not at all.</summary>
    public static void Write(string folder, VideoSetInfo info) =>
        SealedJson.Write(Path.Combine(folder, List), info, VideoSetJson.Default.VideoSetInfo);

    /// <summary>What a set is.</summary>
    /// <exception cref="UserException">No set there, or not a readable one.</exception>
    public static VideoSetInfo Read(string folder)
    {
        var path = Path.Combine(folder, List);
        if (!Directory.Exists(folder))
            throw new UserException(
                $"{folder}: no such folder. Make a data set with 'longtake data ingest VIDEOS -o {folder}'.",
                usage: true
            );
        if (!File.Exists(path))
            throw new UserException(
                $"{folder}: no data set here (no {List}). Make one with 'longtake data ingest VIDEOS -o {folder}'.",
                usage: true
            );
        try
        {
            var info = SealedJson.Read(path, VideoSetJson.Default.VideoSetInfo);
            var whole =
                info is { Items: not null, Videos: not null }
                && info.Videos.All(v =>
                    v is { Id: not null, Path: not null, Frames: > 0, Width: > 0, Height: > 0 }
                    && v.Colour?.IsKnown != false
                )
                && info.Videos.ToDictionary(v => v.Id) is var videos
                && info.Items.All(i =>
                    i is { Item: { Name: not null, Caption: not null }, Video: not null, Start: >= 0, Frames: > 0 }
                    && videos.TryGetValue(i.Video, out var video)
                    && i.Start + i.Frames <= video.Frames
                );
            return whole ? info : throw new UserException($"{path}: not the list of a data set");
        }
        catch (ArgumentException e)
        {
            throw new UserException($"{path}: not the list of a data set ({e.Message}); ingest again", inner: e);
        }
        catch (UserException e)
        {
            throw new UserException($"{e.Message}; ingest again", inner: e);
        }
    }

    /// <summary>What keeps a model from training on a set, before anything long begins.</summary>
    /// <exception cref="UserException">Usage: no set, of another geometry or rate, or without the takes or clips that
    /// are needed.</exception>
    public static void Require(string folder, ModelConfig model, bool takes)
    {
        var info = Read(folder);
        Fits(info, model, folder);
        var train = info.Items.Where(i => !i.Item.HeldOut).ToList();
        if (train.Count == 0)
            throw new UserException($"{folder}: the set has no videos to train on; ingest more", usage: true);
        if (takes && train.All(i => i.Item.Role != "take"))
            throw new UserException(
                $"{folder}: the set has {(train.Count == 1 ? "one clip" : $"{train.Count} clips")} but no "
                    + $"takes, and a stage of the recipe trains on takes: "
                    + "ingest single shots of at least 10 s, or lower filter.minSeconds of the data recipe",
                usage: true
            );
    }

    /// <summary>
    /// The set's latents for a model's autoencoder: those beside the set, else in <paramref name="cache"/>; what is
    /// missing is made.
    /// </summary>
    public static LatentSet Latents(
        string folder,
        ModelFolder model,
        string? cache,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel,
        torch.Device? device = null
    )
    {
        var info = Read(folder);
        Fits(info, model.Config, folder);
        var beside = Path.Combine(folder, "latents-" + model.Hash(ModelFolder.Vae));
        return FootageEncoder.Run(
            model,
            info,
            cache is null || Directory.Exists(beside) ? beside : cache,
            progress,
            cancel,
            device
        );
    }

    /// <summary>
    /// The folder beside a set with its latents for a model's autoencoder, "" when there is none, and how many videos
    /// it lacks.
    /// </summary>
    public static (string Folder, int Missing) Encoded(string folder, ModelFolder model)
    {
        var beside = Path.Combine(folder, "latents-" + model.Hash(ModelFolder.Vae));
        return Directory.Exists(beside) ? (beside, FootageEncoder.Missing(model, Read(folder), beside)) : ("", 0);
    }

    /// <summary>
    /// Random stretches of the training videos, [frames, height, width, 3], read from the videos. Videos that
    /// are small stay decoded.
    /// </summary>
    public static Func<Rng, int, byte[]> Stretches(string folder, ModelConfig model) =>
        Stretches(folder, model, new DecodedVideos());

    internal static Func<Rng, int, byte[]> Stretches(string folder, ModelConfig model, DecodedVideos kept)
    {
        var info = Read(folder);
        Fits(info, model, folder);
        var videos = info.Videos.ToDictionary(v => v.Id);
        var all = info
            .Items.Where(i =>
                !i.Item.HeldOut && videos[i.Video] is var v && v.Width == model.Width && v.Height == model.Height
            )
            .ToList();
        return (random, frames) =>
        {
            var items = all.Where(i => i.Frames >= frames).ToList();
            if (items.Count == 0)
                throw new UserException(
                    $"{folder}: none of its {all.Count} training videos of {model.Width}x{model.Height} has "
                        + $"the {frames} frames that the autoencoder trains on"
                );
            var item = items[random.Int(items.Count)];
            var (video, first) = (videos[item.Video], item.Start + random.Int(item.Frames - frames + 1));
            if (kept.Of(video) is { } whole)
                return whole.AsSpan(first * video.FrameBytes, frames * video.FrameBytes).ToArray();
            using var reader = Open(
                first == 0 ? video : video with { Start = (video.Start ?? video.First) + first / video.Fps },
                frames,
                default
            );
            var bytes = new byte[frames * reader.FrameBytes];
            for (var at = 0; at < bytes.Length; at += reader.FrameBytes)
                if (!reader.Read(bytes.AsSpan(at, reader.FrameBytes)))
                    throw Short(video, first + at / reader.FrameBytes);
            return bytes;
        };
    }

    /// <summary>A reader of the frames of a stretch.</summary>
    internal static VideoReader Open(Footage video, int frames, CancellationToken cancel) =>
        new(
            video.Path,
            new ReadOptions
            {
                Fps = video.Fps,
                Width = video.Width,
                Height = video.Height,
                FromStamp = video.Start,
                MaxFrames = frames,
                Crop = video.Crop,
                Colour = video.Colour ?? VideoColour.Plain,
            },
            cancel
        );

    internal static UserException Short(Footage video, int frames) =>
        new(
            $"{video.Path}: has no frame {frames} after second "
                + $"{(video.Start ?? video.First) - video.First:0.###} any more: has the video changed? Ingest again"
        );

    /// <summary>Hash of the list: the same videos, recipe and captions give the same.</summary>
    public static string Hash(string folder) =>
        Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, List))));

    private static void Fits(VideoSetInfo info, ModelConfig model, string folder)
    {
        var own = $"{model.Width}x{model.Height}";
        var multiple = model.Geometry.SpatialStride * model.Model.Patch[^1];
        var one = info.Buckets.Count == 0 || model.Geometry.FixedSize;
        if (
            info.Fps == model.Fps
            && info.Videos.All(v =>
                one
                    ? v.Width == model.Width && v.Height == model.Height
                    : v.Width % multiple == 0 && v.Height % multiple == 0
            )
        )
            return;
        var sizes = string.Join(", ", info.Videos.Select(v => $"{v.Width}x{v.Height}").Distinct().Take(5));
        throw new UserException(
            $"{folder}: its frames are {sizes} at {info.Fps:0.###} a second, the model's {own} at "
                + $"{model.Fps:0.###}; ingest again for this model",
            usage: true
        );
    }
}
