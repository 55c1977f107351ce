using System.Security.Cryptography;
using System.Text;
using LongTake.Models;
using LongTake.Models.Text;

namespace LongTake.Data;

/// <summary>
/// The videos of a set to latents: a shard a video, named by the hash of everything its bytes depend on (video,
/// stretch, geometry, autoencoder), so that a stale one is never read and a stopped run loses one. A video is decoded
/// once for all items cut from it, a few frames in memory at a time; ffmpeg waits when the autoencoder does.
/// </summary>
public static class FootageEncoder
{
    private const string Format = "2";

    // Pixels that go through the autoencoder at once; about 40 times as many bytes are in use meanwhile.
    private const int StepPixels = 4 << 20;

    /// <summary>Makes what is missing, together with whatever other processes do the same, and opens the set.</summary>
    /// <exception cref="UserException">A video is gone or has changed, or the disk is full; what was made
    /// stays.</exception>
    public static LatentSet Run(
        ModelFolder model,
        VideoSetInfo set,
        string folder,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel,
        torch.Device? device = null
    )
    {
        var hash = model.Hash(ModelFolder.Vae);
        var groups = Groups(set);
        LatentItem[] items =
        [
            .. groups
                .SelectMany(g =>
                    g.Items.Select(i =>
                        i.Item with
                        {
                            Shard = Shard(g, hash),
                            Size = $"{g.Video.Width}x{g.Video.Height}",
                        }
                    )
                )
                .OrderBy(i => i.Name, StringComparer.Ordinal),
        ];
        var info = new LatentSetInfo(hash, set.Fps, model.Config.Width, model.Config.Height, "videos", items);
        AtomicFile.Sweep(folder);
        if (groups.Any(g => !File.Exists(Path.Combine(folder, Shard(g, hash)))))
        {
            var (vae, weights) = model.LoadVae(device: device);
            using var owned = weights;
            using var claims = new Claims(Path.Combine(folder, "claims"));
            var (frames, total) = (0L, groups.Sum(g => (long)g.Video.Frames));
            progress?.Report(new(0, total, "frames", "encoding"));
            SharedWork.Run(
                groups,
                g => g.Video.Id,
                g => File.Exists(Path.Combine(folder, Shard(g, hash))),
                g =>
                    Encode(
                        vae,
                        g,
                        Path.Combine(folder, Shard(g, hash)),
                        n =>
                            progress?.Report(
                                new(Interlocked.Add(ref frames, n), total, "frames", Path.GetFileName(g.Video.Path))
                            ),
                        cancel
                    ),
                claims,
                1,
                (_, waiting) =>
                {
                    if (waiting.Length > 0)
                        progress?.Report(new(frames, total, "frames", waiting));
                },
                cancel
            );
        }
        LatentSet.Describe(folder, info);
        return LatentSet.Open(folder);
    }

    /// <summary>Videos of a set whose shard is not there.</summary>
    internal static int Missing(ModelFolder model, VideoSetInfo set, string folder)
    {
        var hash = model.Hash(ModelFolder.Vae);
        return Groups(set).Count(g => !File.Exists(Path.Combine(folder, Shard(g, hash))));
    }

    private static List<Group> Groups(VideoSetInfo set)
    {
        var videos = set.Videos.ToDictionary(v => v.Id);
        return [.. set.Items.GroupBy(i => i.Video).Select(g => new Group(videos[g.Key], [.. g]))];
    }

    /// <summary>Hashes every shard again; those that are missing or not what they were when written.</summary>
    public static IReadOnlyList<string> Broken(
        LatentSet set,
        IProgress<ProgressReport>? progress,
        CancellationToken cancel
    )
    {
        var shards = set.Info.Items.Select(i => i.Shard).Distinct().ToList();
        var broken = new List<string>();
        foreach (var (at, shard) in shards.Index())
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                using var file = SafetensorsSet.Open(Path.Combine(set.Folder, shard));
                if (SealedTensors.IsWhole(file) != true)
                    broken.Add(shard);
            }
            catch (UserException)
            {
                broken.Add(shard);
            }
            progress?.Report(new(at + 1, shards.Count, "shards", "hashing"));
        }
        return broken;
    }

    /// <summary>
    /// One hash of all latents, from the hashes in the shards: equal sets have equal ones, whoever made them in
    /// whatever order.
    /// </summary>
    public static string Hash(LatentSet set)
    {
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var shard in set.Info.Items.Select(i => i.Shard).Distinct().Order(StringComparer.Ordinal))
        {
            using var file = SafetensorsSet.Open(Path.Combine(set.Folder, shard));
            all.AppendData(Encoding.UTF8.GetBytes($"{shard} {file.Metadata.GetValueOrDefault(SealedTensors.Key)}\n"));
        }
        return Convert.ToHexStringLower(all.GetHashAndReset());
    }

    private sealed record Group(Footage Video, IReadOnlyList<VideoItem> Items);

    // Sub-folders keep folders short; the name holds all that the bytes depend on.
    private static string Shard(Group group, string vae)
    {
        var v = group.Video;
        var text =
            $"{Format}\n{vae}\n{v.Content}\n{v.Start:R} {v.Fps:R} {v.Frames} {v.Width}x{v.Height} {v.Crop}"
            + $"{v.Colour}\n{string.Join('\n', group.Items.Select(i => $"{i.Item.Name} {i.Start} {i.Frames}"))}";
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..32];
        return $"{key[..2]}/{key}.safetensors";
    }

    private static void Encode(
        VideoAutoencoder vae,
        Group group,
        string path,
        Action<int> read,
        CancellationToken cancel
    )
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var video = group.Video;
        using var reader = VideoSet.Open(video, video.Frames, cancel);
        var lanes = group.Items.Select(i => new Lane(vae, i, video, reader.FrameBytes)).ToList();
        try
        {
            var frame = new byte[reader.FrameBytes];
            for (var at = 0; at < video.Frames; at++)
            {
                if (!reader.Read(frame))
                    throw VideoSet.Short(video, at);
                foreach (var lane in lanes)
                    lane.Add(at, frame);
                if (at % 16 == 15)
                    read(16);
            }
            read(video.Frames % 16);
            var latents = lanes.ToDictionary(l => l.Item.Item.Name, l => l.Latents());
            SealedTensors.Write(
                path,
                latents,
                ScalarType.BFloat16,
                new Dictionary<string, string> { ["content"] = video.Content }
            );
        }
        finally
        {
            foreach (var lane in lanes)
                lane.Dispose();
        }
    }

    /// <summary>One item being encoded while the frames of its video pass.</summary>
    private sealed class Lane(VideoAutoencoder vae, VideoItem item, Footage video, int frameBytes) : IDisposable
    {
        private readonly int stride = vae.Geometry.TemporalStride;
        private readonly int latents = Math.Clamp(
            StepPixels / (video.Width * video.Height * vae.Geometry.TemporalStride),
            1,
            64
        );
        private readonly AutoencoderCache cache = new();
        private readonly List<Tensor> parts = [];
        private byte[] buffer = [];
        private int held,
            done;

        public VideoItem Item => item;

        public void Add(int at, byte[] frame)
        {
            if (at < item.Start || at >= item.Start + item.Frames)
                return;
            if (buffer.Length == 0)
                buffer = new byte[(1 + stride * latents) * frameBytes];
            frame.CopyTo(buffer, held++ * frameBytes);
            if (held == (done == 0 ? 1 : 0) + stride * latents || done + held == item.Frames)
                Step();
        }

        /// <summary>All latents [C, T, h, w] in bfloat16, in the current scope.</summary>
        public Tensor Latents()
        {
            var z = torch.cat([.. parts], 2).squeeze(0);
            return float.IsFinite((float)z.to(ScalarType.Float32).sum().ToDouble())
                ? z
                : throw new UserException(
                    $"{video.Path}: the autoencoder makes no finite latents of it; are its weights whole?"
                );
        }

        public void Dispose() => cache.Dispose();

        private void Step()
        {
            using var inner = torch.NewDisposeScope();
            var frames = Pixels.ToTensor(buffer.AsSpan(0, held * frameBytes), video.Height, video.Width).to(vae.Device);
            var z = vae.EncodeStep(frames, cache).cpu();
            parts.Add(z.to(ScalarType.BFloat16).MoveToOuterDisposeScope());
            (done, held) = (done + held, 0);
            if (done < item.Frames)
                return;
            cache.Dispose();
            buffer = [];
        }
    }
}
