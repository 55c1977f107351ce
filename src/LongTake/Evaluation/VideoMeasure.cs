using LongTake.Evaluation.Journey;
using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// Everything that is measured on one video before it is compared with others: videos are measured one by one, as soon
/// as they are made.
/// </summary>
public sealed record VideoMeasure
{
    /// <summary>Changes whenever the same video would be measured in another way.</summary>
    public const int Version = 3;

    /// <summary>Metrics of the video; one that is relative to real takes is not divided yet.</summary>
    public required IReadOnlyDictionary<string, double> Values { get; init; }

    /// <summary>Metrics by the second; null where the world does not say.</summary>
    public required IReadOnlyDictionary<string, double?[]> Curves { get; init; }

    /// <summary>
    /// Features of the 5-s windows, [windows][numbers]: of the random network, of ResNet-18 and of the teacher's
    /// encoder.
    /// </summary>
    public float[][] Random { get; init; } = [];
    public float[][] ImageNet { get; init; } = [];
    public float[][] Teacher { get; init; } = [];

    /// <summary>Sixteen frames of the video, [16, side, side, 3], for contact sheets; empty for most videos.</summary>
    public byte[] Frames { get; init; } = [];

    /// <summary>Processor seconds of sampling and decoding, and of measuring.</summary>
    public double MadeSeconds { get; init; }
    public double MeasuredSeconds { get; init; }

    /// <summary>Measures a video, but for the drift lens.</summary>
    /// <param name="rgb">Bytes [frames, side, side, 3] of the world's size.</param>
    /// <param name="world">The world that the video is of.</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="prompt">What was asked for.</param>
    /// <param name="teacher">The space of FDt, whose clip length is the window; without it no features are
    /// kept.</param>
    /// <param name="imageNet">The space of FDi, over the windows of the teacher, which must be given too.</param>
    /// <param name="seams">Latents that begin a window of the roll-out.</param>
    public static VideoMeasure Of(
        byte[] rgb,
        World world,
        int stride,
        string prompt,
        TeacherFeatures? teacher = null,
        ImageNetFeatures? imageNet = null,
        IReadOnlyCollection<int>? seams = null
    )
    {
        Reading reading =
            world == World.Traveller ? new VideoReading(rgb, stride, WorldTruth.Of(prompt), seams ?? [])
            : stride == 1 ? new JourneyReading(rgb, JourneyTruth.Of(prompt), seams ?? [])
            : throw new UserException(
                $"a model of {World.FramesPerSecond / stride} frames a second: videos of {world.Side}x{world.Side} "
                    + $"are measured at {World.FramesPerSecond}"
            );
        if (teacher is null && imageNet is not null)
            throw new ArgumentException("the windows of FDi are the teacher's: give it too", nameof(imageNet));
        var (values, curves) = Metric.Measure(reading);
        return new()
        {
            Values = values,
            Curves = curves,
            Random = teacher is null ? [] : RandomFeatures.Of(rgb, world.Side, teacher.WindowFrames),
            ImageNet = teacher is null
                ? []
                : imageNet?.Of(rgb, world.Side, teacher.WindowFrames, World.FramesPerSecond / stride / 4) ?? [],
            Teacher = teacher?.Of(rgb) ?? [],
        };
    }

    /// <summary>Sixteen frames of a video from its first to its last.</summary>
    public static byte[] Moments(byte[] rgb, World world)
    {
        var last = rgb.Length / world.FrameBytes - 1;
        return
        [
            .. Enumerable
                .Range(0, 16)
                .SelectMany(i => rgb.AsSpan(last * i / 15 * world.FrameBytes, world.FrameBytes).ToArray()),
        ];
    }
}
