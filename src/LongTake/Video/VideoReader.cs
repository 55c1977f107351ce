namespace LongTake.Video;

/// <summary>How frames are read.</summary>
public sealed record ReadOptions
{
    /// <summary>
    /// Frames a second to resample to by nearest time; null gives every stored frame once, whatever its stamp.
    /// </summary>
    public double? Fps { get; init; }

    /// <summary>
    /// Pixels across; the picture covers the size and its overhang is cut at both sides. 0 (with Height 0) keeps the
    /// file's own size.
    /// </summary>
    public int Width { get; init; }

    /// <summary>Pixels down; 0 (with Width 0) keeps the file's own size.</summary>
    public int Height { get; init; }

    /// <summary>The stamp to begin at, as frames have it in the file; null begins with the first frame.</summary>
    public double? FromStamp { get; init; }

    /// <summary>Part of the picture as shown (after rotation) that counts; null is all of it.</summary>
    public Rectangle? Crop { get; init; }

    /// <summary>The colour that the file's pixels are read by; null looks into the file.</summary>
    public VideoColour? Colour { get; init; }

    /// <summary>Frames to read at most; 0 = all.</summary>
    public int MaxFrames { get; init; }

    /// <summary>Longest wait for one frame before ffmpeg is given up and killed.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(60);
}

/// <summary>
/// Frames of a file's first video stream as RGB bytes [Height, Width, 3], streamed through a pipe: ffmpeg waits when
/// the reader does, so memory stays at a frame or two. Rotation in the file is applied; pixels come out square, colours
/// in BT.709.
/// </summary>
public sealed class VideoReader : IDisposable
{
    // Frames leave ffmpeg renumbered at this rate: its constant-rate output then neither drops nor repeats any.
    const string Clock = "25";
    readonly string path;
    readonly MediaProcess child;
    readonly VideoColour colour;

    /// <exception cref="UserException">No such file, no video in it, or a size that cannot be.</exception>
    public VideoReader(string path, ReadOptions options, CancellationToken token = default)
    {
        if (options.Width < 0 || options.Height < 0 || (options.Width == 0) != (options.Height == 0))
            throw new UserException(
                $"{path}: cannot read at {options.Width}x{options.Height}: give both sides, or 0x0 for the "
                    + $"file's own size"
            );
        if (options.Fps is <= 0 or > 1000)
            throw new UserException($"{path}: cannot read at {options.Fps} frames a second: give 0.001 to 1000");
        if (!File.Exists(path))
            throw new UserException($"{path}: no such file");
        this.path = path;
        (Width, Height) = (options.Width, options.Height);
        var info = Width == 0 || options.Colour is null ? Probe.Read(path, options.Patience, token) : null;
        if (Width == 0)
            (Width, Height) = (Math.Max(1, (int)Math.Round(info!.Width * info.SampleAspect)), info.Height);
        colour = options.Colour ?? info!.Colour.Read(info.Width, info.Height);
        if (colour.Problem() is { Length: > 0 } problem)
            throw new UserException($"{path}: {problem}");
        child = new MediaProcess("ffmpeg", Arguments(options), options.Patience, token: token);
    }

    public int Width { get; }
    public int Height { get; }
    public int FrameBytes => Width * Height * 3;

    /// <summary>Frames given so far.</summary>
    public int Count { get; private set; }

    /// <summary>Lines of complaint from the decoder; complete once the last frame has been read.</summary>
    public int Complaints => child.ErrorLines;

    /// <summary>What the decoder complained of last, or "".</summary>
    public string Complaint => Probe.Said(child, path);

    /// <summary>Reads one frame into a buffer of <see cref="FrameBytes"/>; false at the end.</summary>
    /// <exception cref="UserException">The file cannot be decoded, or no frame came within the patience.</exception>
    public bool Read(Span<byte> frame)
    {
        if (frame.Length != FrameBytes)
            throw new ArgumentException($"the buffer holds {frame.Length} bytes, a frame {FrameBytes}");
        var read = child.Read(frame);
        if (read == frame.Length)
        {
            Count++;
            return true;
        }
        if (child.TimedOut)
            throw new UserException($"{path}: no frame came for a long time after frame {Count}; ffmpeg was ended");
        var code = child.Wait();
        if (code != 0)
            throw new UserException($"{path}: cannot be decoded after frame {Count}: {Because(code)}");
        if (Count == 0)
            throw new UserException($"{path}: not one frame could be decoded: {Because(code)}");
        return false;
    }

    /// <summary>The remaining frames, a new array each.</summary>
    public IEnumerable<byte[]> Frames()
    {
        var frame = new byte[FrameBytes];
        while (Read(frame))
        {
            yield return frame;
            frame = new byte[FrameBytes];
        }
    }

    /// <summary>Ends ffmpeg, wherever it is.</summary>
    public void Dispose() => child.Dispose();

    string Because(int code) => Complaint is { Length: > 0 } said ? said : $"ffmpeg ended with code {code}";

    List<string> Arguments(ReadOptions o)
    {
        var (input, from) = Ffmpeg.From(path, o.FromStamp);
        List<string> arguments =
        [
            .. Ffmpeg.Input,
            "-nostdin",
            .. input,
            "-i",
            Ffmpeg.Url(path),
            "-map",
            "0:V:0",
            "-an",
            "-sn",
            "-dn",
            "-vf",
            from + Filters(o),
            "-r",
            Clock,
        ];
        if (o.MaxFrames > 0)
            arguments.AddRange(["-frames:v", $"{o.MaxFrames}"]);
        arguments.AddRange(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
        return arguments;
    }

    // `dar` is the shape of the picture as shown, so pixels that are not square are made square by the scaling.
    string Filters(ReadOptions o)
    {
        var rate = o.Fps is { } fps ? $"fps={fps:0.######}," : "";
        var (w, h) = (Width, Height);
        var size = o.Width == 0 ? $"{w}:{h}" : $"'max({w},round({h}*dar))':'max({h},round({w}/dar))'";
        var crop = o.Crop is { } c ? $"crop={c.Width}:{c.Height}:{c.X}:{c.Y}," : "";
        const string flags = "flags=area+accurate_rnd+full_chroma_int";
        var bring = colour.IsBeyond ? $"{colour.Scaled},{colour.After}scale={flags}" : "";
        return $"{crop}{rate}settb=1/{Clock},setpts=N,{colour.Before}scale={size}:"
            + $"{flags}{bring},format=rgb24,crop={w}:{h},setsar=1";
    }
}
