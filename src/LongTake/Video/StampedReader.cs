namespace LongTake.Video;

/// <summary>
/// All frames of a file's picture as <see cref="SmallFrame"/> has them, with their stamps, streamed: ffmpeg waits when
/// the reader does. Decoding errors are counted, not thrown, as long as frames come. ffmpeg is ended when it takes too
/// long for a frame or too much memory.
/// </summary>
sealed class StampedReader : IDisposable
{
    // Frames leave ffmpeg renumbered at this rate: its constant-rate output then neither drops nor repeats any.
    const string Clock = "25";
    readonly VideoInfo info;
    readonly TimeSpan patience;
    readonly MediaProcess child;
    readonly FrameNotes notes = new();
    readonly byte[] bytes = new byte[SmallFrame.Bytes];
    long? last;

    /// <exception cref="UserException">ffmpeg is missing.</exception>
    public StampedReader(VideoInfo info, TimeSpan patience, CancellationToken token = default)
    {
        (this.info, this.patience) = (info, patience);
        var size = $"{SmallFrame.FineWidth}:{SmallFrame.FineHeight}:flags=area";
        var colour = info.Colour.Read(info.Width, info.Height);
        // a picture of another colour is made small first, then brought to BT.709, then to full range
        var scale = colour.IsBeyond ? $"scale={size}{colour.Scaled},{colour.After}scale=" : $"scale={size}:";
        var filters =
            $"settb={info.TimeBase},{FrameNotes.Filters},settb=1/{Clock},setpts=N,{colour.Before}{scale}out_range=full,"
            + "format=yuv420p";
        child = new MediaProcess(
            "ffmpeg",
            [
                .. Ffmpeg.Input,
                "-nostdin",
                "-copyts",
                "-threads",
                "2",
                "-i",
                Ffmpeg.Url(info.Path),
                "-map",
                "0:V:0",
                "-an",
                "-sn",
                "-dn",
                "-vf",
                filters,
                "-r",
                Clock,
                "-f",
                "rawvideo",
                "-",
            ],
            patience,
            heard: notes.Hear,
            token: token
        );
    }

    /// <summary>Frames given so far.</summary>
    public int Count { get; private set; }

    /// <summary>Pixels of the last frame, until the next is read.</summary>
    public ReadOnlySpan<byte> Bytes => bytes;

    /// <summary>Stamp of the first frame that has one, in ticks.</summary>
    public long First { get; private set; }

    /// <summary>Seconds from the first frame to the last one read; they never go back.</summary>
    public double Time => info.TimeBase.Seconds((last ?? First) - First);

    /// <summary>Stamps that were missing or did not grow; such a frame gets the stamp before it.</summary>
    public int BadStamps { get; private set; }

    /// <summary>
    /// Where the last frame's picture is not black at the edges, in pixels of the file; null where all of it is.
    /// </summary>
    public Rectangle? Picture { get; private set; }

    /// <summary>Lines of complaint from the decoder; complete once the last frame has been read.</summary>
    public int Complaints => child.ErrorLines;

    /// <summary>What the decoder complained of first among what is kept, or "".</summary>
    public string Complaint => Probe.Said(child, info.Path);

    /// <summary>Reads the next frame; false at the end.</summary>
    /// <exception cref="UserException">Not one frame could be decoded, or ffmpeg gave up or was ended.</exception>
    public bool Read()
    {
        if (child.Read(bytes) < bytes.Length)
        {
            if (child.TooLarge)
                throw new UserException(
                    $"{info.Path}: decoding takes more than {MediaProcess.MemoryLimit >> 20} MiB after frame {Count}; "
                        + $"ffmpeg was ended"
                );
            if (child.TimedOut)
                throw new UserException(
                    $"{info.Path}: no frame came for {patience.TotalSeconds:0.##} s after frame {Count}; "
                        + "ffmpeg was ended"
                );
            var code = child.Wait();
            if (Count == 0 || code != 0)
            {
                var what = Count == 0 ? "not one frame could be decoded" : $"cannot be decoded after frame {Count}";
                var why = Complaint is { Length: > 0 } said ? said : $"ffmpeg ended with code {code}";
                throw new UserException($"{info.Path}: {what}: {why}");
            }
            return false;
        }
        var note = notes.Next(patience);
        if (note.Stamp > last || (last is null && note.Stamp is not null))
        {
            if (last is null)
                First = note.Stamp.Value;
            last = note.Stamp;
        }
        else
            BadStamps++;
        Picture = note.Picture;
        Count++;
        return true;
    }

    public void Dispose() => child.Dispose();
}
