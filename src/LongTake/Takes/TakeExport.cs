using LongTake.Checkpoints;
using LongTake.Generation;
using LongTake.Models;
using LongTake.Video;

namespace LongTake.Takes;

/// <summary>What leaves a take: videos, pictures, or the take itself as a single file.</summary>
public sealed partial class TakeEditor
{
    /// <summary>
    /// Writes a branch, or some seconds of it, as a video of the format that the path's ending names.
    /// </summary>
    /// <returns>Frames written.</returns>
    public int Export(
        string path,
        WriteOptions? write = null,
        double from = 0,
        double? to = null,
        string? branch = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var (first, end) = Range(from, to, branch);
        var size = take.Document;
        using var writer = new VideoWriter(path, size.Width, size.Height, size.Fps, write, cancel);
        foreach (var frame in Frames(first, end, branch, cancel))
        {
            writer.Write(frame.Rgb);
            if (writer.Count % 40 == 0)
                progress?.Report(new(writer.Count, end - first, "frames", "writing"));
        }
        writer.Complete();
        return writer.Count;
    }

    /// <summary>Writes the frames of some seconds of a branch as PNG files, 00000.png and on, into a folder without
    /// any.</summary>
    /// <returns>Frames written.</returns>
    public int ExportFrames(
        string folder,
        double from = 0,
        double? to = null,
        string? branch = null,
        IProgress<ProgressReport>? progress = null,
        CancellationToken cancel = default
    )
    {
        var (first, end) = Range(from, to, branch);
        OutputPlace.RequireFolder(folder);
        if (Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.png").Any())
            throw new UserException($"{folder}: has pictures already; give another folder", usage: true);
        var written = 0;
        foreach (var frame in Frames(first, end, branch, cancel))
        {
            var file = Path.Combine(folder, $"{written++:00000}.png");
            ContactSheet.Write(file, [frame.Rgb], frame.Width, frame.Height, 1);
            if (written % 40 == 0)
                progress?.Report(new(written, end - first, "frames", "writing"));
        }
        return written;
    }

    /// <summary>Writes the frame at a second of a branch as a PNG file.</summary>
    public void ExportPoster(string path, double at = 0, string? branch = null, CancellationToken cancel = default)
    {
        OutputPlace.RequireFile(path);
        var (first, _) = Range(at, null, branch);
        var frame = Frames(first, first + 1, branch, cancel).First();
        ContactSheet.Write(path, [frame.Rgb], frame.Width, frame.Height, 1);
    }

    /// <summary>The frames of a branch from one to before another, decoded as they are asked for.</summary>
    public IEnumerable<Frame> Frames(int from, int to, string? branch = null, CancellationToken cancel = default)
    {
        var d = take.Document;
        var timeline = take.Timeline(d.BranchNamed(branch).Operation);
        // the latents that the frames lie in
        var first = from == 0 ? 0 : 1 + (from - 1) / d.TemporalStride;
        to = Math.Min(to, d.Frames(timeline.Length));
        var last = to <= 1 ? 0 : 1 + (to - 2) / d.TemporalStride;
        var start = d.Frames(first);
        foreach (var (i, frame) in Decoded(timeline, first, last + 1, cancel).Index())
            if (start + i >= from && start + i < to)
                yield return frame with
                {
                    Index = start + i,
                    Time = TimeSpan.FromSeconds((start + i) / d.Fps),
                };
    }

    // Whole frames whose time is in the range.
    private (int First, int End) Range(double from, double? to, string? branch)
    {
        var d = take.Document;
        var frames = d.Frames(take.Timeline(d.BranchNamed(branch).Operation).Length);
        var (first, end) = (Math.Ceiling(from * d.Fps - 1e-6), Math.Ceiling((to ?? frames / d.Fps) * d.Fps - 1e-6));
        if (!(from >= 0 && first < frames && end > first))
            throw new UserException(
                $"{from:0.###} to {to ?? frames / d.Fps:0.###} s: the branch has {frames / d.Fps:0.###} s",
                usage: true
            );
        return ((int)first, (int)Math.Min(end, frames));
    }
}
