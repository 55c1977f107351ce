using LongTake.Data;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Takes;

/// <summary>Pictures and videos that takes start with.</summary>
internal static class TakeStarts
{
    /// <summary>A file as the start of a take of so many latents.</summary>
    /// <exception cref="UserException">It cannot be read, or is as long as the take.</exception>
    public static TakeStart Of(string path, ModelConfig c, int total, CancellationToken cancel)
    {
        var most = c.Frames(total);
        var latents = (int)c.Geometry.Latents(Frames(path, c, cancel).Take(most).Count());
        return latents < total
            ? new(Path.GetFileName(path), Take.HashOf(path), latents)
            : throw new UserException(
                $"{path}: as long as the take or longer, {most / c.Fps:0.##} s; ask for more seconds",
                usage: true
            );
    }

    /// <summary>
    /// The frames of a video at the rate of a model, or a picture as the only one; both cover its size and are cut to
    /// it.
    /// </summary>
    public static IEnumerable<byte[]> Frames(string path, ModelConfig c, CancellationToken cancel)
    {
        if (Probe.Try(path, TimeSpan.FromMinutes(1), cancel).Info is null)
        {
            yield return Cover(Picture.Read(path, cancel), c.Width, c.Height);
            yield break;
        }
        using var reader = new VideoReader(
            path,
            new()
            {
                Fps = c.Fps,
                Width = c.Width,
                Height = c.Height,
            },
            cancel
        );
        foreach (var frame in reader.Frames())
            yield return frame;
    }

    private static byte[] Cover(Picture picture, int width, int height)
    {
        using var scope = torch.NewDisposeScope();
        var scale = Math.Max(width / (double)picture.Width, height / (double)picture.Height);
        var (across, down) = (
            Math.Max(width, (long)Math.Round(picture.Width * scale)),
            Math.Max(height, (long)Math.Round(picture.Height * scale))
        );
        var large = Pixels.ToTensor(picture.Rgb, picture.Height, picture.Width).squeeze(2);
        var scaled = torch.nn.functional.interpolate(large, [down, across], mode: torch.InterpolationMode.Area);
        return Pixels.ToBytes(
            scaled.narrow(2, (down - height) / 2, height).narrow(3, (across - width) / 2, width).unsqueeze(2)
        );
    }
}
