namespace LongTake.Video;

/// <summary>How the pictures of a video are coded.</summary>
public enum VideoCodec
{
    H264,
    Hevc,
    Av1,
    Vp9,
    ProRes,
}

/// <summary>How frames are written.</summary>
public sealed record WriteOptions
{
    /// <summary>
    /// The constant rate factor of x264, or of VP9: 0 is lossless but for colour sampling, 18 looks so, 51 is worst.
    /// A GIF has none.
    /// </summary>
    public int Crf { get; init; } = 16;

    /// <summary>The codec; without it the one that is usual for the name's ending.</summary>
    public VideoCodec? Codec { get; init; }

    /// <summary>Leaves an mp4 in fragments, which can be played while it is sent, instead of with one index.</summary>
    public bool Fragmented { get; init; }

    /// <summary>Whole factor by which the picture is enlarged, each pixel a square.</summary>
    public int Upscale { get; init; } = 1;

    /// <summary>
    /// Facts kept in the file: title, comment, prompt, seed, model ... Control characters become spaces. A GIF keeps
    /// none.
    /// </summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Longest wait for ffmpeg to take a frame, or to finish.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>
/// Writes RGB frames [Height, Width, 3] as the name's ending says: H.264 in .mp4, .mov or .mkv, VP9 in .webm, a .gif;
/// or by another codec.
/// While it runs the video is `name.part.mp4` beside the target, in fragments of a second, so that what a killed run
/// leaves can be played. <see cref="Complete"/> rewrites it with its index first (a browser knows the length and may
/// seek), checks the number of frames and renames it: under the target's name there is only ever a whole video. From
/// the constructor on no other process writes the same video.
/// </summary>
public sealed class VideoWriter : IDisposable
{
    readonly int width,
        height;
    readonly WriteOptions options;
    readonly CancellationToken token;
    readonly double fps;
    readonly VideoFormat format;
    readonly IDisposable alone;
    MediaProcess? child;

    /// <summary>Finds out whether the video can be written; ffmpeg begins with the first frame.</summary>
    /// <exception cref="UserException">A size, rate, ending or place that cannot be written, or one that another
    /// process is writing.</exception>
    public VideoWriter(
        string path,
        int width,
        int height,
        double fps,
        WriteOptions? options = null,
        CancellationToken token = default
    )
    {
        this.options = options ?? new();
        (this.width, this.height, this.fps, this.token) = (width, height, fps, token);
        if (
            width <= 0
            || height <= 0
            || fps is not (> 0 and <= 1000)
            || this.options is not { Upscale: > 0, Crf: >= 0 and <= 51 }
        )
            throw new UserException(
                $"{path}: cannot write {width}x{height} at {fps} frames a second, upscale {this.options.Upscale}, "
                    + $"crf {this.options.Crf}: sizes and upscale are at least 1, the rate up to 1000, crf 0 to 51"
            );
        format = VideoFormat.Of(path, fps, this.options.Codec);
        OutputPlace.RequireFile(path);
        format.Try(path, token);
        (Target, alone) = (Path.GetFullPath(path), FileLock.Output(path));
        Partial = Beside("part");
    }

    /// <summary>Where the whole video will be.</summary>
    public string Target { get; }

    /// <summary>Where the video is while it is being written.</summary>
    public string Partial { get; }

    /// <summary>Frames written so far.</summary>
    public int Count { get; private set; }

    /// <summary>Adds one frame, [height, width, 3] bytes.</summary>
    /// <exception cref="UserException">The disk is full or ffmpeg gave up; what was written stays in <see
    /// cref="Partial"/>.</exception>
    public void Write(ReadOnlySpan<byte> frame)
    {
        if (frame.Length != width * height * 3)
            throw new ArgumentException(
                $"a frame of {width}x{height} has {width * height * 3} bytes, not {frame.Length}"
            );
        child ??= new MediaProcess(
            "ffmpeg",
            format.Arguments(width, height, fps, options, Ffmpeg.Url(Partial)),
            options.Patience,
            input: true,
            token: token
        );
        try
        {
            child.Write(frame);
        }
        catch (IOException e)
        {
            child.Wait();
            throw Failed(child, e);
        }
        Count++;
    }

    /// <summary>Ends the video and gives it its name.</summary>
    /// <exception cref="UserException">As for <see cref="Write"/>, or no frame was written.</exception>
    public void Complete()
    {
        if (Count == 0 || child is null)
            throw new UserException($"{Target}: no frame was written");
        if (child.Wait() != 0)
            throw Failed(child);
        var whole = Beside("whole");
        try
        {
            using var index = new MediaProcess(
                "ffmpeg",
                format.Indexed(Partial, whole, options.Fragmented),
                options.Patience,
                token: token
            );
            if (index.Wait() != 0)
                throw Failed(index);
            if (Probe.Frames(whole, options.Patience, token) is var got && got != Count)
                throw new UserException($"{Target}: not written: {Count} frames went in, {got} came out; {Kept()}");
            using (var file = File.OpenHandle(whole, FileMode.Open, FileAccess.ReadWrite))
                RandomAccess.FlushToDisk(file);
            File.Move(whole, Target, overwrite: true);
            File.Delete(Partial);
        }
        finally
        {
            File.Delete(whole);
        }
    }

    /// <summary>
    /// Without <see cref="Complete"/> before it: ends the partial video properly and leaves it under its partial name.
    /// </summary>
    public void Dispose()
    {
        if (!token.IsCancellationRequested)
            child?.Wait();
        child?.Dispose();
        child = null;
        alone.Dispose();
    }

    /// <summary>Ends ffmpeg at once, as a crash would.</summary>
    internal void Kill() => child?.Kill();

    string Beside(string mark) => Path.ChangeExtension(Target, mark + Path.GetExtension(Target));

    string Kept() =>
        new FileInfo(Partial) is { Exists: true, Length: > 0 }
            ? $"what came before is kept as {Partial}"
            : "nothing of it could be kept";

    UserException Failed(MediaProcess program, Exception? inner = null)
    {
        var full = program.ErrorWith("No space left");
        var why = full is null
            ? program.TimedOut
                ? "ffmpeg took no frame for a long time and was ended"
                : program.LastError
            : "the disk is full (no space left on device)";
        return new($"{Target}: not written, it failed at frame {Count}: {why}; {Kept()}", inner: inner);
    }
}
