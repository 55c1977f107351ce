namespace LongTake.Video;

/// <summary>Which detector finds the shots: ours, or one of PySceneDetect's, for lists that can be compared.</summary>
public enum ShotMethod
{
    Default,
    Content,
    Adaptive,
    Threshold,
}

/// <summary>Settings of the published detectors; the defaults are theirs.</summary>
public sealed record PublishedSettings
{
    /// <summary>
    /// Content: mean change of hue, saturation and brightness, 27. Adaptive: that over its neighbours', 3. Threshold:
    /// mean level, 12.
    /// </summary>
    public double? Threshold { get; init; }

    /// <summary>Shortest scene in frames.</summary>
    public int MinSceneFrames { get; init; } = 15;

    /// <summary>Adaptive: frames averaged on each side, and the least content value of a cut.</summary>
    public int Window { get; init; } = 2;
    public double MinContent { get; init; } = 15;

    /// <summary>
    /// Threshold: fades go above the level, not below it; and a fade that never comes back ends a scene as well.
    /// </summary>
    public bool Ceiling { get; init; }
    public bool AddFinal { get; init; }
}

/// <summary>
/// The content, adaptive and threshold detectors as PySceneDetect publishes them (docs of version 0.6/0.7: same
/// measures in OpenCV's 8-bit HSV, thresholds and merging of short scenes), on frames about 256 pixels wide. Cuts only;
/// streamed.
/// </summary>
public static class PublishedDetectors
{
    const int LeastWidth = 256;

    /// <summary>First frames of new scenes; the score is the measure at that frame.</summary>
    /// <exception cref="UserException">The file cannot be decoded.</exception>
    public static (IReadOnlyList<Transition> Transitions, int Frames) Detect(
        VideoInfo info,
        ShotMethod method,
        PublishedSettings? settings = null,
        TimeSpan? patience = null,
        CancellationToken token = default
    )
    {
        var s = settings ?? new();
        var factor = Math.Max(1, (double)info.Width / LeastWidth);
        var (width, height) = (
            Math.Max(1, (int)Math.Round(info.Width / factor)),
            Math.Max(1, (int)Math.Round(info.Height / factor))
        );
        using var reader = new StampedReader(
            info.Path,
            width,
            height,
            3 * width * height,
            "rgb24",
            "bilinear",
            patience ?? TimeSpan.FromSeconds(60),
            "format=rgb24,",
            token
        );
        IScenes scenes = method switch
        {
            ShotMethod.Content => new ContentScenes(s),
            ShotMethod.Adaptive => new AdaptiveScenes(s),
            ShotMethod.Threshold => new ThresholdScenes(s),
            _ => throw new ArgumentException($"{method} is no published detector"),
        };
        var content = new ContentValue(width * height);
        List<(int Frame, double Score)> cuts = [];
        List<double> times = [];
        while (reader.Read())
        {
            times.Add(reader.Time);
            cuts.AddRange(
                scenes.Add(
                    reader.Count - 1,
                    method == ShotMethod.Threshold ? ContentValue.Mean(reader.Bytes) : content.Of(reader.Bytes)
                )
            );
        }
        cuts.AddRange(scenes.Finish(reader.Count - 1));
        return (
            [
                .. cuts.Select(c => new Transition(
                    TransitionKind.Cut,
                    c.Frame,
                    c.Frame,
                    times[c.Frame],
                    times[c.Frame],
                    c.Score
                )),
            ],
            reader.Count
        );
    }

    interface IScenes
    {
        IEnumerable<(int Frame, double Score)> Add(int frame, double value);
        IEnumerable<(int Frame, double Score)> Finish(int last) => [];
    }

    // Cuts closer than a scene to the one before are merged into the last of them.
    sealed class ContentScenes(PublishedSettings s) : IScenes
    {
        readonly double threshold = s.Threshold ?? 27;
        int lastAbove = -1,
            mergeStart;
        bool merging,
            first = true;

        public IEnumerable<(int, double)> Add(int frame, double value)
        {
            if (lastAbove < 0)
                lastAbove = frame;
            var above = value >= threshold;
            var longEnough = frame - lastAbove >= s.MinSceneFrames;
            if (above)
                lastAbove = frame;
            if (merging)
            {
                if (!longEnough || above || lastAbove - mergeStart < s.MinSceneFrames)
                    return [];
                merging = false;
                return [(lastAbove, value)];
            }
            if (!above)
                return [];
            if (longEnough)
            {
                first = false;
                return [(frame, value)];
            }
            if (!first)
                (merging, mergeStart) = (true, frame);
            return [];
        }
    }

    sealed class AdaptiveScenes(PublishedSettings s) : IScenes
    {
        readonly double threshold = s.Threshold ?? 3;
        readonly Queue<double> values = new();
        int lastCut = -1;

        public IEnumerable<(int, double)> Add(int frame, double value)
        {
            if (lastCut < 0)
                lastCut = frame;
            values.Enqueue(value);
            if (values.Count <= 2 * s.Window)
                return [];
            if (values.Count > 2 * s.Window + 1)
                values.Dequeue();
            var target = values.ElementAt(s.Window);
            var average = (values.Sum() - target) / (2 * s.Window);
            var ratio =
                Math.Abs(average) < 1e-5
                    ? target >= s.MinContent
                        ? 255
                        : 0
                    : Math.Min(255, target / average);
            if (ratio < threshold || target < s.MinContent || frame - lastCut < s.MinSceneFrames)
                return [];
            lastCut = frame - s.Window;
            return [(lastCut, ratio)];
        }
    }

    // A scene ends in the middle between going below the level and coming back.
    sealed class ThresholdScenes(PublishedSettings s) : IScenes
    {
        readonly double threshold = s.Threshold ?? 12;
        bool begun,
            dark;
        int faded,
            lastCut;

        public IEnumerable<(int, double)> Add(int frame, double value)
        {
            var below = s.Ceiling ? value >= threshold : value < threshold;
            if (!begun)
            {
                (begun, lastCut, dark) = (true, frame, value < threshold);
                return [];
            }
            if (!dark && below)
                (dark, faded) = (true, frame);
            else if (dark && !below)
            {
                dark = false;
                var cut = (frame + faded + 1) / 2; // their middle is a time, rounded to the nearest frame
                var longEnough = frame - lastCut >= s.MinSceneFrames;
                faded = frame;
                if (!longEnough)
                    return [];
                lastCut = frame;
                return [(cut, value)];
            }
            return [];
        }

        public IEnumerable<(int, double)> Finish(int last) =>
            s.AddFinal && dark && last - lastCut >= s.MinSceneFrames ? [(faded, threshold)] : [];
    }
}

/// <summary>
/// Mean change of hue, saturation and brightness from frame to frame, as 8-bit HSV has them (hue 0 to 179).
/// </summary>
sealed class ContentValue(int pixels)
{
    byte[]? before;

    public double Of(ReadOnlySpan<byte> rgb)
    {
        var now = new byte[3 * pixels];
        for (var i = 0; i < rgb.Length; i += 3)
            Hsv(rgb.Slice(i, 3), now.AsSpan(i, 3));
        long sum = 0;
        if (before is not null)
            for (var i = 0; i < now.Length; i++)
                sum += Math.Abs(now[i] - before[i]);
        before = now;
        return (double)sum / pixels / 3;
    }

    public static double Mean(ReadOnlySpan<byte> rgb)
    {
        long sum = 0;
        foreach (var v in rgb)
            sum += v;
        return (double)sum / rgb.Length;
    }

    static void Hsv(ReadOnlySpan<byte> rgb, Span<byte> hsv)
    {
        var (r, g, b) = (rgb[0], rgb[1], rgb[2]);
        var (most, least) = (Math.Max(r, Math.Max(g, b)), Math.Min(r, Math.Min(g, b)));
        double range = most - least;
        var hue =
            range == 0 ? 0
            : most == r ? (g - b) / range * 30
            : most == g ? 60 + (b - r) / range * 30
            : 120 + (r - g) / range * 30;
        hsv[0] = (byte)Math.Round(hue < 0 ? hue + 180 : hue);
        hsv[1] = most == 0 ? (byte)0 : (byte)Math.Round(255 * range / most);
        hsv[2] = most;
    }
}
