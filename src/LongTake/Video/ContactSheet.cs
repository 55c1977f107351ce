namespace LongTake.Video;

/// <summary>Many frames in one picture, row by row, to be looked at.</summary>
public static class ContactSheet
{
    /// <summary>Pixels between two frames.</summary>
    public const int Gap = 2;

    /// <summary>
    /// Writes a PNG of the frames ([height, width, 3] bytes each), `columns` in a row, each pixel enlarged to a square
    /// of `upscale` pixels. Its size is columns * width * upscale + (columns - 1) * Gap, and so down.
    /// </summary>
    /// <exception cref="UserException">No frames, sizes that cannot be, or the file cannot be written.</exception>
    public static void Write(
        string path,
        IReadOnlyList<byte[]> frames,
        int width,
        int height,
        int columns,
        int upscale = 1
    )
    {
        if (frames.Count == 0)
            throw new UserException($"{path}: a contact sheet needs at least one frame");
        if (width <= 0 || height <= 0 || columns <= 0 || upscale <= 0)
            throw new UserException(
                $"{path}: cannot draw {width}x{height}, {columns} columns, upscale {upscale}: each is at least 1"
            );
        var rows = (frames.Count + columns - 1) / columns;
        var part = Path.GetFullPath(path) + ".part";
        Directory.CreateDirectory(Path.GetDirectoryName(part)!);
        using var child = new MediaProcess(
            "ffmpeg",
            [
                "-v",
                "error",
                "-y",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                $"{width}x{height}",
                "-r",
                "1",
                "-i",
                "-",
                "-vf",
                $"scale=iw*{upscale}:ih*{upscale}:flags=neighbor,tile={columns}x{rows}:padding={Gap}:color=gray",
                "-frames:v",
                "1",
                "-c:v",
                "png",
                "-f",
                "image2",
                "-update",
                "1",
                Ffmpeg.Url(part),
            ],
            TimeSpan.FromMinutes(1),
            input: true
        );
        try
        {
            foreach (var frame in frames)
                child.Write(frame);
        }
        catch (IOException)
        {
            // The exit code below tells what happened.
        }
        if (child.Wait() != 0 || !File.Exists(part))
            throw new UserException($"{path}: not written: {child.LastError}");
        File.Move(part, path, overwrite: true);
    }
}
