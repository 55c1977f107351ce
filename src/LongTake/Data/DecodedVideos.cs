namespace LongTake.Data;

/// <summary>
/// Small videos that stay decoded, the first ones asked for until the room is taken: to start ffmpeg for each stretch
/// takes a quarter of a second, many times what it takes to read small pictures.
/// </summary>
internal sealed class DecodedVideos(long room = 64 << 20)
{
    private readonly Dictionary<string, byte[]> kept = [];
    private readonly Lock one = new();
    private long left = room;

    /// <summary>All frames of a video, [frames, height, width, 3]; null where there is no room for it.</summary>
    /// <exception cref="UserException">The video has changed.</exception>
    public byte[]? Of(Footage video)
    {
        lock (one)
        {
            if (kept.TryGetValue(video.Id, out var frames))
                return frames;
            var bytes = (long)video.Frames * video.FrameBytes;
            if (bytes > left)
                return null;
            left -= bytes;
            return kept[video.Id] = Decoded(video);
        }
    }

    private static byte[] Decoded(Footage video)
    {
        using var reader = VideoSet.Open(video, video.Frames, default);
        var frames = new byte[video.Frames * video.FrameBytes];
        for (var at = 0; at < video.Frames; at++)
            if (!reader.Read(frames.AsSpan(at * video.FrameBytes, video.FrameBytes)))
                throw VideoSet.Short(video, at);
        return frames;
    }
}
