namespace LongTake.Generation;

/// <summary>
/// A frame of a video: RGB bytes, row by row from the top left, <paramref name="Height"/> x <paramref name="Width"/> x
/// 3; its number from 0; the time it is shown at.
/// </summary>
public sealed record Frame(byte[] Rgb, int Width, int Height, int Index, TimeSpan Time);

/// <summary>What came of making a video.</summary>
public sealed record VideoResult(
    string Path,
    string Latents,
    long Seed,
    int Frames,
    double Seconds,
    int Steps,
    double SampleSeconds,
    double DecodeSeconds
);
