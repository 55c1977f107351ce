namespace LongTake.Video;

/// <summary>What a video file holds: facts of its first real video stream (cover pictures do not count).</summary>
/// <param name="Path">The file as given.</param>
/// <param name="Seconds">Length of what is shown, from the stamps of its packets; a header may lie.</param>
/// <param name="Fps">Frames a second: the declared rate where the stamps agree with it, else the measured mean.</param>
/// <param name="Variable">True when frames are not evenly spaced in time.</param>
/// <param name="Frames">Packets of what is shown; decoding may give a few less in a damaged file.</param>
/// <param name="Width">Stored pixels across, after rotation.</param>
/// <param name="Height">Stored pixels down, after rotation.</param>
/// <param name="SampleAspect">Width of a pixel over its height, after rotation; 1 when square or not stated.</param>
/// <param name="Rotation">Degrees in the file's display matrix: 0, 90, 180, -90 ...; already applied to the
/// size.</param>
public sealed record VideoInfo(
    string Path,
    double Seconds,
    double Fps,
    bool Variable,
    int Frames,
    int Width,
    int Height,
    double SampleAspect,
    int Rotation,
    string Codec,
    string PixelFormat,
    int VideoStreams,
    int AudioStreams
)
{
    /// <summary>Number of the stream in the file; the first real video stream is taken.</summary>
    public int Stream { get; init; }

    /// <summary>Bits of a sample.</summary>
    public int BitDepth { get; init; } = 8;

    /// <summary>How the numbers of its pixels are meant.</summary>
    public VideoColour Colour { get; init; } = new("", "", "", "");

    /// <summary>True when the file says that its frames are made of two fields.</summary>
    public bool Interlaced { get; init; }

    /// <summary>Packets without a stamp, or with that of another one.</summary>
    public int BadStamps { get; init; }

    /// <summary>Seconds of one tick of the stream's stamps.</summary>
    public TimeBase TimeBase { get; init; } = new(1, 1000);

    /// <summary>Stamp of the first frame shown, in ticks.</summary>
    public long FirstStamp { get; init; }

    /// <summary>Stamp of the first frame shown, in seconds.</summary>
    public double StartSeconds => TimeBase.Seconds(FirstStamp);
}

/// <summary>A fraction of a second in which a stream counts its stamps.</summary>
public readonly record struct TimeBase(int Numerator, int Denominator)
{
    /// <summary>Ticks in seconds.</summary>
    public double Seconds(long ticks) => (double)ticks * Numerator / Denominator;

    /// <inheritdoc/>
    public override string ToString() => $"{Numerator}/{Denominator}";
}

/// <summary>Why a file is no usable video.</summary>
public enum ProbeFault
{
    None,
    Missing,
    Empty,
    Unreadable,
    NotVideo,
    NoVideoStream,
    NoFrames,
    TimedOut,
}

/// <summary>Either <see cref="Info"/>, or a fault and a sentence about it.</summary>
public sealed record Probed(VideoInfo? Info, ProbeFault Fault, string Reason);
