using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// Everything that is measured on one video before it is compared with others: videos are measured one by one, as soon
/// as they are made.
/// </summary>
public sealed record VideoMeasure
{
    /// <summary>Changes whenever the same video would be measured in another way.</summary>
    public const int Version = 2;

    /// <summary>Metrics of the video; one that is relative to real takes is not divided yet.</summary>
    public required IReadOnlyDictionary<string, double> Values { get; init; }

    /// <summary>Metrics by the second; null where the world does not say.</summary>
    public required IReadOnlyDictionary<string, double?[]> Curves { get; init; }

    /// <summary>
    /// Features of the 5-s windows, [windows][numbers]: of the random network and of the teacher's encoder.
    /// </summary>
    public float[][] Random { get; init; } = [];
    public float[][] Teacher { get; init; } = [];

    /// <summary>Sixteen frames of the video, [16, 32, 32, 3], for contact sheets; empty for most videos.</summary>
    public byte[] Frames { get; init; } = [];

    /// <summary>Processor seconds of sampling and decoding, and of measuring.</summary>
    public double MadeSeconds { get; init; }
    public double MeasuredSeconds { get; init; }

    /// <summary>Measures a video, but for the drift lens.</summary>
    /// <param name="rgb">Bytes [frames, 32, 32, 3].</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="teacher">The space of FDt, whose clip length is the window; without it no features are
    /// kept.</param>
    /// <param name="seams">Latents that begin a window of the roll-out.</param>
    public static VideoMeasure Of(
        byte[] rgb,
        int stride,
        WorldTruth truth,
        TeacherFeatures? teacher = null,
        IReadOnlyCollection<int>? seams = null
    )
    {
        var reading = new VideoReading(rgb, stride, truth, seams ?? []);
        var (values, curves) = (new Dictionary<string, double>(), new Dictionary<string, double?[]>());
        foreach (var metric in Metric.All)
        {
            if (metric.Second is { } second)
                curves[metric.Name] = [.. reading.Seconds.Select((_, s) => second(reading, s))];
            var curve = curves.GetValueOrDefault(metric.Name);
            if ((metric.Video is { } video ? video(reading) : curve?.Average()) is { } value)
                values[metric.Name] = value;
        }
        return new()
        {
            Values = values,
            Curves = curves,
            Random = teacher is null ? [] : RandomFeatures.Of(rgb, teacher.WindowFrames),
            Teacher = teacher?.Of(rgb) ?? [],
        };
    }

    /// <summary>Sixteen frames of a video from its first to its last.</summary>
    public static byte[] Moments(byte[] rgb)
    {
        var last = rgb.Length / Traveller.FrameBytes - 1;
        return
        [
            .. Enumerable
                .Range(0, 16)
                .SelectMany(i => rgb.AsSpan(last * i / 15 * Traveller.FrameBytes, Traveller.FrameBytes).ToArray()),
        ];
    }
}
