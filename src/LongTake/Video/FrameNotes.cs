using System.Globalization;

namespace LongTake.Video;

/// <summary>What ffmpeg tells of a frame beside its pixels.</summary>
/// <param name="Stamp">Its stamp in ticks of the stream; null where it has none.</param>
/// <param name="Picture">Where the picture is not black at the edges, as far as this frame shows; null where all of it
/// is black.</param>
readonly record struct FrameNote(long? Stamp, Rectangle? Picture);

/// <summary>A part of a picture, in pixels.</summary>
public readonly record struct Rectangle(int X, int Y, int Width, int Height)
{
    /// <summary>The smallest that holds both.</summary>
    public static Rectangle Union(Rectangle a, Rectangle b)
    {
        var (x, y) = (Math.Min(a.X, b.X), Math.Min(a.Y, b.Y));
        return new(x, y, Math.Max(a.X + a.Width, b.X + b.Width) - x, Math.Max(a.Y + a.Height, b.Y + b.Height) - y);
    }
}

/// <summary>
/// Collects the lines of ffmpeg's metadata filter, which writes "frame:0 pts:0 pts_time:0" and then "key=value" lines
/// for each frame before that frame leaves it.
/// </summary>
sealed class FrameNotes
{
    /// <summary>Last of a frame's lines: added by the filters below, so every frame has it.</summary>
    const string End = "longtake.end";
    readonly Queue<FrameNote> notes = new();
    long? stamp;
    readonly int[] edges = new int[4];

    /// <summary>
    /// Filters that make ffmpeg write a note for each frame that passes. What the file itself says of its frames is
    /// left out.
    /// </summary>
    public const string Filters =
        // the limit as a share, which is that of every depth: 24 of 255
        $"metadata=mode=delete,cropdetect=limit=0.0943:round=2:skip=0:reset=1,metadata=mode=add:key={End}:value=1,"
        + "metadata=mode=print:file='pipe\\:2':direct=1";

    /// <summary>Takes a line of ffmpeg's standard error; false when it is no note.</summary>
    public bool Hear(string line)
    {
        if (line.StartsWith("frame:", StringComparison.Ordinal))
        {
            // the ticks, for pts_time has six digits only
            var at = line.IndexOf("pts:", StringComparison.Ordinal) + 4;
            var end = line.IndexOf("pts_time:", StringComparison.Ordinal);
            stamp =
                at >= 4 && end > at && long.TryParse(line.AsSpan(at, end - at), CultureInfo.InvariantCulture, out var t)
                    ? t
                    : null;
            Array.Clear(edges);
            return true;
        }
        if (line.StartsWith("lavfi.cropdetect.", StringComparison.Ordinal))
        {
            var index = Array.IndexOf(Keys, line.Split('.', '=')[2]);
            if (
                index >= 0
                && int.TryParse(line.AsSpan(line.IndexOf('=') + 1), CultureInfo.InvariantCulture, out var value)
            )
                edges[index] = value;
            return true;
        }
        if (!line.StartsWith(End, StringComparison.Ordinal))
            return false;
        var (x1, x2, y1, y2) = (edges[0], edges[1], edges[2], edges[3]);
        var note = new FrameNote(stamp, x2 > x1 && y2 > y1 ? new(x1, y1, x2 - x1 + 1, y2 - y1 + 1) : null);
        lock (notes)
        {
            notes.Enqueue(note);
            Monitor.Pulse(notes);
        }
        return true;
    }

    static readonly string[] Keys = ["x1", "x2", "y1", "y2"];

    /// <summary>
    /// The next frame's note; it is written before the frame, but on another pipe, so it may have to be waited for.
    /// </summary>
    public FrameNote Next(TimeSpan patience)
    {
        lock (notes)
        {
            var until = Environment.TickCount64 + (long)patience.TotalMilliseconds;
            while (notes.Count == 0 && until - Environment.TickCount64 is > 0 and var left)
                Monitor.Wait(notes, (int)Math.Min(left, 1000));
            return notes.Count > 0 ? notes.Dequeue() : new(null, null);
        }
    }
}
