using LongTake.Worlds;

namespace LongTake.Evaluation;

/// <summary>
/// Everything that is measured on one video, in absolute units, so that videos are measured one by one and compared
/// later.
/// </summary>
public sealed record VideoMeasure
{
    /// <summary>Changes whenever the same video would be measured otherwise.</summary>
    public const int Version = 1;

    /// <summary>
    /// The world's exact measures; gamp and sharp are amplitudes, not yet divided by those of real videos.
    /// </summary>
    public required WorldScore World { get; init; }

    /// <summary>
    /// Measures by the second, <see cref="Evaluation.Curves"/>; "lens" too where both heads are at hand.
    /// </summary>
    public required IReadOnlyDictionary<string, double?[]> Curves { get; init; }

    /// <summary>
    /// Features of the 5-s windows, [windows][numbers]: of the random network and of the teacher's encoder.
    /// </summary>
    public required float[][] Random { get; init; }
    public required float[][] Teacher { get; init; }

    /// <summary>
    /// How much more the picture jumps where a roll-out's windows meet than at other latents; null where no window
    /// ends.
    /// </summary>
    public double? Seam { get; init; }

    /// <summary>Sixteen frames of the video, [16, 32, 32, 3], for contact sheets; empty for most videos.</summary>
    public byte[] Frames { get; init; } = [];

    /// <summary>Processor seconds of sampling and decoding, and of measuring.</summary>
    public double MadeSeconds { get; init; }
    public double MeasuredSeconds { get; init; }

    /// <summary>Measures a video but for the lens.</summary>
    /// <param name="rgb">Bytes [frames, 32, 32, 3].</param>
    /// <param name="stride">World frames from one frame to the next.</param>
    /// <param name="truth">What the caption asked for.</param>
    /// <param name="teacher">The space of FDt, whose clip length is the window.</param>
    /// <param name="seams">Latents that begin a window of the roll-out.</param>
    public static VideoMeasure Of(
        byte[] rgb,
        int stride,
        WorldTruth truth,
        TeacherFeatures teacher,
        IReadOnlyCollection<int> seams
    )
    {
        var network = new RandomFeatures();
        return new()
        {
            World = WorldMetrics.Measure(rgb, stride, truth, new WorldReal(1, 1)),
            Curves = Evaluation.Curves.Of(WorldMetrics.Open(rgb, stride), truth),
            Random =
            [
                .. RandomFeatures
                    .Windows(rgb, teacher.WindowFrames)
                    .Select(w => Array.ConvertAll(network.Raw(w), v => (float)v)),
            ],
            Teacher = teacher.Of(rgb),
            Seam = SeamRatio(rgb, seams),
        };
    }

    /// <summary>
    /// Mean change of the picture at the first frame of the latents of <paramref name="seams"/> over that at the first
    /// frame of all others: 1 when a window's end cannot be seen. Comparing first frames with first frames leaves out
    /// what the autoencoder does between latents.
    /// </summary>
    public static double? SeamRatio(byte[] rgb, IReadOnlyCollection<int> seams)
    {
        var frames = rgb.Length / Traveller.FrameBytes;
        double at = 0,
            elsewhere = 0;
        var (seamCount, otherCount) = (0, 0);
        for (var latent = 1; 4 * latent - 3 < frames; latent++)
        {
            var jump = Change(rgb, 4 * latent - 3);
            if (seams.Contains(latent))
                (at, seamCount) = (at + jump, seamCount + 1);
            else
                (elsewhere, otherCount) = (elsewhere + jump, otherCount + 1);
        }
        return seamCount == 0 || otherCount == 0 || elsewhere == 0 ? null : at / seamCount / (elsewhere / otherCount);
    }

    private static double Change(byte[] rgb, int frame)
    {
        var now = rgb.AsSpan(frame * Traveller.FrameBytes, Traveller.FrameBytes);
        var before = rgb.AsSpan((frame - 1) * Traveller.FrameBytes, Traveller.FrameBytes);
        var sum = 0L;
        for (var i = 0; i < now.Length; i++)
            sum += Math.Abs(now[i] - before[i]);
        return (double)sum / now.Length;
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
