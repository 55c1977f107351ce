using LongTake.Generation;
using LongTake.Video;

namespace LongTake.Takes;

/// <summary>Two takes, or two branches of one, side by side.</summary>
public static class TakeComparison
{
    private const int Gap = 2;

    /// <summary>
    /// Writes a video with the first on the left and the second on the right, as long as the longer one; black after
    /// the end of the other.
    /// </summary>
    /// <returns>Frames written.</returns>
    /// <exception cref="UserException">Their sizes or rates differ, or the video cannot be written.</exception>
    public static int Write(
        (TakeEditor Take, string? Branch) left,
        (TakeEditor Take, string? Branch) right,
        string path,
        WriteOptions? write = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var (a, b) = (left.Take.Take.Document, right.Take.Take.Document);
        if ((a.Width, a.Height, a.Fps) != (b.Width, b.Height, b.Fps))
            throw new UserException(
                $"{left.Take.Take.Name} is {a.Width}x{a.Height} at {a.Fps} frames a second, {right.Take.Take.Name} "
                    + $"{b.Width}x{b.Height} at {b.Fps}: only takes of one size and rate can be compared",
                usage: true
            );
        var (first, second) = (Frames(left, cancel), Frames(right, cancel));
        var width = 2 * a.Width + Gap;
        using var writer = new VideoWriter(path, width, a.Height, a.Fps, write, cancel);
        using var one = first.Frames.GetEnumerator();
        using var other = second.Frames.GetEnumerator();
        var total = Math.Max(first.Count, second.Count);
        while (writer.Count < total)
        {
            var picture = new byte[width * a.Height * 3];
            Draw(one, 0);
            Draw(other, a.Width + Gap);
            writer.Write(picture);
            if (writer.Count % 40 == 0)
                progress?.Report(new(writer.Count, total, "frames", "comparing"));

            void Draw(IEnumerator<Frame> frames, int at)
            {
                if (!frames.MoveNext())
                    return;
                for (var y = 0; y < a.Height; y++)
                    frames
                        .Current.Rgb.AsSpan(y * a.Width * 3, a.Width * 3)
                        .CopyTo(picture.AsSpan((y * width + at) * 3));
            }
        }
        writer.Complete();
        return writer.Count;
    }

    private static (IEnumerable<Frame> Frames, int Count) Frames(
        (TakeEditor Take, string? Branch) of,
        CancellationToken cancel
    )
    {
        var (take, document) = (of.Take.Take, of.Take.Take.Document);
        var count = document.Frames(take.Timeline(document.BranchNamed(of.Branch).Operation).Length);
        return (of.Take.Frames(0, count, of.Branch, cancel), count);
    }
}
