namespace LongTake.Video;

/// <summary>Frames of a video as JPEG files in memory, to be shown or sent.</summary>
public static class Jpegs
{
    /// <summary>So many frames spread over a stretch, the longer side at most so many pixels.</summary>
    /// <param name="path">The video.</param>
    /// <param name="from">Stamp to begin at; null is the beginning.</param>
    /// <param name="seconds">Length of the stretch.</param>
    /// <param name="count">Frames wanted; a short video may give one less.</param>
    /// <param name="pixels">Longer side at most.</param>
    /// <param name="crop">Part of the picture that counts.</param>
    /// <param name="colour">The colour that the file's pixels are read by.</param>
    /// <param name="token">Ends ffmpeg.</param>
    /// <exception cref="UserException">The video cannot be decoded.</exception>
    public static IReadOnlyList<byte[]> Read(
        string path,
        double? from,
        double seconds,
        int count,
        int pixels,
        Rectangle? crop = null,
        VideoColour? colour = null,
        CancellationToken token = default
    )
    {
        var by = colour ?? VideoColour.Plain;
        var (input, begin) = Ffmpeg.From(path, from);
        var cut = crop is { } c ? $"crop={c.Width}:{c.Height}:{c.X}:{c.Y}," : "";
        using var child = new MediaProcess(
            "ffmpeg",
            [
                .. Ffmpeg.Input,
                "-nostdin",
                "-threads",
                "2",
                .. input,
                "-i",
                Ffmpeg.Url(path),
                "-map",
                "0:V:0",
                "-an",
                "-sn",
                "-dn",
                "-vf",
                $"{begin}{cut}fps={count / seconds:0.######},{by.Before}scale='trunc(iw*sar/2)*2':ih,setsar=1,"
                    + $"scale='min({pixels},iw)':'min({pixels},ih)':"
                    + $"force_original_aspect_ratio=decrease:force_divisible_by=2{by.Scaled},"
                    // JPEG's own colours, whatever those of the video
                    + $"{by.After}scale=out_color_matrix=bt601:out_range=full,format=yuvj420p",
                "-frames:v",
                $"{count}",
                "-c:v",
                "mjpeg",
                "-q:v",
                "4",
                "-f",
                "image2pipe",
                "-",
            ],
            TimeSpan.FromMinutes(2),
            token: token
        );
        using var all = new MemoryStream();
        var buffer = new byte[1 << 16];
        for (int n; (n = child.Read(buffer)) > 0; )
            all.Write(buffer, 0, n);
        if (child.Wait() != 0 || all.Length == 0)
            throw new UserException($"{path}: no frames of it: {Probe.Said(child, path)}");
        return Split(all.GetBuffer().AsSpan(0, (int)all.Length));
    }

    // Within a JPEG of ffmpeg's, FF D8 stands only at the beginning.
    private static List<byte[]> Split(ReadOnlySpan<byte> all)
    {
        var frames = new List<byte[]>();
        while (all.Length > 2)
        {
            var next = all[2..].IndexOf((ReadOnlySpan<byte>)[0xFF, 0xD8]);
            var one = next < 0 ? all : all[..(next + 2)];
            frames.Add(one.ToArray());
            all = all[one.Length..];
        }
        return frames;
    }
}
