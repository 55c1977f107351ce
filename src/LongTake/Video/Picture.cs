namespace LongTake.Video;

/// <summary>
/// A still picture as RGB bytes [Height, Width, 3], pixels as they are stored: a rotation in its EXIF is not applied,
/// transparency is dropped.
/// </summary>
public sealed record Picture(int Width, int Height, byte[] Rgb)
{
    private const long MostPixels = 100_000_000;

    /// <summary>
    /// Reads a picture of any kind that ffmpeg knows (PNG, JPEG, WebP, BMP, ...); of a video, its first frame.
    /// </summary>
    /// <exception cref="UserException">No such file, no picture, a damaged one, or more than 100 million
    /// pixels.</exception>
    public static Picture Read(string path, CancellationToken token = default)
    {
        if (Directory.Exists(path))
            throw new UserException($"{path}: a folder, not a picture", usage: true);
        if (!File.Exists(path))
            throw new UserException($"{path}: no such picture", usage: true);
        // PPM says its own size, so that a picture is asked for once.
        using var child = new MediaProcess(
            "ffmpeg",
            [
                .. Ffmpeg.Input,
                "-nostdin",
                "-noautorotate",
                "-i",
                Ffmpeg.Url(path),
                "-map",
                "0:v:0",
                "-frames:v",
                "1",
                "-sws_flags",
                "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
                "-f",
                "image2pipe",
                "-c:v",
                "ppm",
                "-pix_fmt",
                "rgb24",
                "-",
            ],
            TimeSpan.FromSeconds(60),
            token: token
        );
        var (width, height) = Header(child);
        if ((long)width * height > MostPixels)
            throw new UserException(
                $"{path}: a picture of {width}x{height}; at most {MostPixels / 1_000_000} million pixels are read",
                usage: true
            );
        var rgb = new byte[(long)width * height * 3];
        var whole = width > 0 && child.Read(rgb) == rgb.Length;
        var code = child.Wait();
        // A damaged JPEG still gives a picture, with grey where its data end; only what was said tells.
        if (!whole || code != 0 || child.ErrorLines > 0)
        {
            var why =
                child.TimedOut ? "no end after a minute"
                : Probe.Said(child, path) is { Length: > 0 } said ? said
                : $"ffmpeg ended with code {code}";
            throw new UserException($"{path}: not a picture that can be read whole: {why}", usage: true);
        }
        return new(width, height, rgb);
    }

    // "P6\nWIDTH HEIGHT\n255\n"; zeros when it is something else.
    private static (int Width, int Height) Header(MediaProcess child)
    {
        var text = new System.Text.StringBuilder();
        Span<byte> one = stackalloc byte[1];
        for (var lines = 0; lines < 3 && text.Length < 64; )
        {
            if (child.Read(one) == 0)
                return default;
            if (one[0] == '\n')
                lines++;
            text.Append((char)one[0]);
        }
        return
            text.ToString().Split('\n') is ["P6", var size, "255", ..]
            && size.Split(' ') is [var w, var h]
            && int.TryParse(w, out var width)
            && int.TryParse(h, out var height)
            && width > 0
            && height > 0
            ? (width, height)
            : default;
    }
}
