namespace LongTake.Video;

/// <summary>Whether a file is a video that can be used, and if not, which rule it breaks and why.</summary>
/// <param name="Rule">"kept"; else "exists" (no such file, or it cannot be read), "video" (no video that ffmpeg knows),
/// "undamaged".</param>
/// <param name="Reason">A sentence about it; "" when kept.</param>
/// <param name="Passing">True when trying again may help.</param>
/// <param name="Info">What the probe said, where it could say something.</param>
/// <param name="Scan">What decoding all of it found, where that was asked for and possible.</param>
public sealed record VideoVerdict(
    string Path,
    string Rule,
    string Reason,
    bool Passing,
    VideoInfo? Info,
    VideoScan? Scan
)
{
    public bool Kept => Rule == "kept";

    /// <summary>
    /// Probes a file and, unless asked not to, decodes all of it in a child process bounded in time and memory. A
    /// file with more complaints of the decoder than allowed is damaged.
    /// </summary>
    public static VideoVerdict Of(
        string path,
        ScanOptions? options = null,
        int complaints = 0,
        bool decode = true,
        Action<double>? progress = null,
        CancellationToken token = default
    )
    {
        VideoVerdict Bad(
            string rule,
            string reason,
            bool passing = false,
            VideoInfo? info = null,
            VideoScan? scan = null
        ) =>
            new(
                path,
                rule,
                reason.StartsWith(path + ": ", StringComparison.Ordinal) ? reason[(path.Length + 2)..] : reason,
                passing,
                info,
                scan
            );
        Probed probed;
        try
        {
            probed = Probe.Try(path, options?.Patience, token);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Bad("exists", e.Message, passing: true);
        }
        if (probed.Info is not { } info)
            return Bad(
                probed.Fault is ProbeFault.Missing ? "exists" : "video",
                probed.Reason,
                probed.Fault is ProbeFault.Missing or ProbeFault.TimedOut
            );
        if (!decode)
            return new(path, "kept", "", false, info, null);
        try
        {
            var scan = VideoScan.Read(info, options, progress, token);
            return scan.Complaints > complaints
                ? Bad(
                    "undamaged",
                    $"damaged: {scan.Frames} of {info.Frames} frames decoded, with {scan.Complaints} "
                        + $"complaints, such as: {scan.Complaint}",
                    false,
                    info,
                    scan
                )
                : new(path, "kept", "", false, info, scan);
        }
        catch (UserException e)
        {
            token.ThrowIfCancellationRequested(); // Ctrl-C reaches ffmpeg too, and what it then says is no verdict
            return Bad("undamaged", e.Message, passing: true, info);
        }
    }
}
