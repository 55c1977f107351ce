namespace LongTake.Video;

/// <summary>
/// Thumbnails of a video while it is scanned, to be shown: at most about a thousand are kept, evenly spaced, however
/// long the video; a sheet of them has a row for each shot.
/// </summary>
public sealed class Strips(VideoInfo info)
{
    /// <summary>Thumbnails of a shot, their size, and shots on a sheet.</summary>
    public const int Columns = 8,
        Width = SmallFrame.FineWidth,
        Height = SmallFrame.FineHeight,
        MostRows = 200;

    const int Most = 1024;
    readonly double gap = Math.Max(0.25, info.Seconds / Most);
    readonly List<(double Time, byte[] Planes)> kept = [];
    double next = double.NegativeInfinity;

    /// <summary>For <see cref="ScanOptions.Seen"/>.</summary>
    public void See(ReadOnlySpan<byte> planes, double time)
    {
        if (time < next || kept.Count >= 2 * Most)
            return;
        kept.Add((time, planes.ToArray()));
        next = time + gap;
    }

    /// <summary>
    /// Writes a JPEG, <see cref="Columns"/> thumbnails a row, spread over the shot; nothing when there are no shots.
    /// </summary>
    public void Write(string path, IReadOnlyList<Shot> shots)
    {
        if (shots.Count == 0 || kept.Count == 0)
            return;
        var rows = Math.Min(shots.Count, MostRows);
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var part = $"{path}.{Guid.NewGuid():N}.part";
        using var child = new MediaProcess(
            "ffmpeg",
            [
                "-v",
                "error",
                "-y",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "yuvj420p",
                "-s",
                $"{Width}x{Height}",
                "-r",
                "1",
                "-i",
                "-",
                "-vf",
                $"tile={Columns}x{rows}",
                "-frames:v",
                "1",
                "-c:v",
                "mjpeg",
                "-q:v",
                "6",
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
            foreach (var shot in shots.Take(rows))
                for (var n = 0; n < Columns; n++)
                    child.Write(Nearest(shot.Start + (n + 0.5) / Columns * (shot.End - shot.Start)));
        }
        catch (IOException) { } // The exit code below tells what happened.
        if (child.Wait() != 0 || !File.Exists(part))
            throw new UserException($"{path}: not written: {child.LastError}");
        File.Move(part, path, overwrite: true);
    }

    byte[] Nearest(double time)
    {
        var at = kept.BinarySearch(
            (time, null!),
            Comparer<(double Time, byte[])>.Create((a, b) => a.Time.CompareTo(b.Time))
        );
        if (at < 0)
            at = ~at;
        if (at == kept.Count || (at > 0 && time - kept[at - 1].Time < kept[at].Time - time))
            at--;
        return kept[at].Planes;
    }
}
