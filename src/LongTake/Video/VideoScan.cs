namespace LongTake.Video;

/// <summary>How a video is scanned.</summary>
public sealed record ScanOptions
{
    /// <summary>Longest wait for one frame before ffmpeg is given up and killed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// Gets each frame's planes (<see cref="SmallFrame.Bytes"/>: 128x72 in 4:2:0, full range) and its seconds from the
    /// first.
    /// </summary>
    public Action<ReadOnlySpan<byte>, double>? Seen { get; init; }
}

/// <summary>
/// What one pass over the frames of a video tells: whether it decodes, where its shots change, and what each shot
/// measures. Memory does not depend on the length of the video.
/// </summary>
/// <param name="Info">What the probe said; length and first stamp are those of what was decoded.</param>
/// <param name="Frames">Frames decoded.</param>
/// <param name="Seconds">From the stamp of the first frame to the end of the last. All times count from the first
/// frame.</param>
/// <param name="Transitions">In order.</param>
/// <param name="Shots">What lies between them, in order; a video without transitions is one shot.</param>
/// <param name="Complaints">Lines of complaint from the decoder, <paramref name="Complaint"/> one of the first.</param>
/// <param name="BadStamps">Frames whose stamp was missing or did not grow.</param>
public sealed record VideoScan(
    VideoInfo Info,
    int Frames,
    double Seconds,
    IReadOnlyList<Transition> Transitions,
    IReadOnlyList<ShotMeasures> Shots,
    int Complaints,
    string Complaint,
    int BadStamps
)
{
    /// <summary>Longest time from one frame to the next, seconds.</summary>
    public double LongestGap { get; init; }

    /// <summary>Probes and decodes a file once. Progress reports the share of its frames that is done.</summary>
    /// <exception cref="UserException">No usable video, or it cannot be decoded; the message names the file and says
    /// why.</exception>
    public static VideoScan Read(
        string path,
        ScanOptions? options = null,
        Action<double>? progress = null,
        CancellationToken token = default
    ) => Read(Probe.Read(path, options?.Patience, token), options, progress, token);

    /// <summary>As above, of a file that has been probed.</summary>
    public static VideoScan Read(
        VideoInfo info,
        ScanOptions? options = null,
        Action<double>? progress = null,
        CancellationToken token = default
    )
    {
        options ??= new();
        var detector = new ShotDetector(info.Fps, token);
        var measurer = new ShotMeasurer(info);
        List<Transition> transitions = [];
        using var reader = new StampedReader(info, options.Patience, token);
        double last = 0,
            gap = 0;
        while (reader.Read())
        {
            var frame = new SmallFrame(reader.Bytes, reader.Count - 1, reader.Time);
            (last, gap) = (frame.Time, Math.Max(gap, frame.Time - last));
            options.Seen?.Invoke(reader.Bytes, frame.Time);
            measurer.Add(frame, reader.Picture);
            var found = detector.Add(frame);
            transitions.AddRange(found);
            measurer.Settle(found, detector.Settled);
            if (frame.Index % 64 == 0)
                progress?.Invoke(Math.Min(1, (double)frame.Index / info.Frames));
        }
        var rest = detector.Finish();
        transitions.AddRange(rest);
        measurer.Settle(rest, reader.Count);
        var seconds = reader.Time + 1 / info.Fps;
        return new(
            info with
            {
                Seconds = seconds,
                FirstStamp = reader.First,
            },
            reader.Count,
            seconds,
            transitions,
            measurer.Finish(),
            reader.Complaints,
            reader.Complaint,
            reader.BadStamps
        )
        {
            LongestGap = gap,
        };
    }
}
