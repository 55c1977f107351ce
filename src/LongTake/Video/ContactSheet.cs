using SkiaSharp;

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
        var (across, down) = (width * upscale + Gap, height * upscale + Gap);
        using var surface = SKSurface.Create(new SKImageInfo(columns * across - Gap, rows * down - Gap));
        surface.Canvas.Clear(SKColors.Gray);
        foreach (var (n, frame) in frames.Index())
        {
            using var picture = new SKBitmap(width, height) { Pixels = [.. frame.Chunk(3).Select(Colour)] };
            surface.Canvas.DrawBitmap(
                picture,
                SKRect.Create(n % columns * across, n / columns * down, across - Gap, down - Gap)
            );
        }
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        AtomicFile.Write(path, png.SaveTo);
    }

    private static SKColor Colour(byte[] rgb) => new(rgb[0], rgb[1], rgb[2]);
}
