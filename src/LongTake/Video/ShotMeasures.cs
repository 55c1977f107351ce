namespace LongTake.Video;

/// <summary>A stretch of a video in seconds from its first frame, by its stamps.</summary>
public readonly record struct Stretch(double Start, double End)
{
    public double Seconds => End - Start;
}

/// <summary>
/// What one shot measures; what is good enough is for others to say. Shares go from 0 to 1; brightness and changes are
/// in grey levels, 0 to 255, of thumbnails of 64x36.
/// </summary>
public sealed record ShotMeasures
{
    public required Shot Shot { get; init; }

    /// <summary>
    /// The picture without black bars, in pixels as shown (rotation applied): an edge is where it is in all but 1 in 20
    /// frames or farther out. The whole picture when nothing else is known.
    /// </summary>
    public Rectangle Crop { get; init; }

    /// <summary>Mean brightness, and the greatest of any frame.</summary>
    public double Brightness { get; init; }
    public double Brightest { get; init; }

    /// <summary>
    /// Greatest contrast (standard std of brightness) of any frame: below about 4 nothing is to be seen.
    /// </summary>
    public double MostContrast { get; init; }

    /// <summary>Greatest mean change of a frame against the shot's first: below 1 nothing moves.</summary>
    public double MostChange { get; init; }

    /// <summary>Mean change of the picture within half a second.</summary>
    public double Motion { get; init; }

    /// <summary>
    /// Share of the time in which most of what can be followed moves: 0 for a camera at rest, near 1 for one on the
    /// move.
    /// </summary>
    public double CameraMotion { get; init; }

    /// <summary>
    /// Mean share of pixels, black bars left out, that are black (at most 8), and white (at least 247).
    /// </summary>
    public double Under { get; init; }
    public double Over { get; init; }

    /// <summary>Stretches of half a second or more in which no part of the picture changes.</summary>
    public IReadOnlyList<Stretch> Frozen { get; init; } = [];

    /// <summary>
    /// Stretches of a quarter of a second or more in which at least 98 % of the picture is black (at most 26).
    /// </summary>
    public IReadOnlyList<Stretch> Black { get; init; } = [];

    /// <summary>
    /// Stretches that show again, frame by frame, what was shown up to 20 s before and has changed since.
    /// </summary>
    public IReadOnlyList<Stretch> Looped { get; init; } = [];

    /// <summary>
    /// Share of the picture covered by edges that never move while the rest does: logos, clocks, frames. Null when the
    /// rest does not move enough to tell.
    /// </summary>
    public double? Overlay { get; init; }

    /// <summary>
    /// Share of the moving time in which edges stand still for a second or more across the lower part of the picture
    /// and are not there always: subtitles. Null as for <see cref="Overlay"/>.
    /// </summary>
    public double? Subtitles { get; init; }

    /// <summary>Perceptual hashes, one each <see cref="PerceptualHash.Seconds"/> from the shot's start.</summary>
    public IReadOnlyList<ulong> Hashes { get; init; } = [];
}
