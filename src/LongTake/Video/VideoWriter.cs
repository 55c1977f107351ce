using System.Text;

namespace LongTake.Video;

/// <summary>How frames are written.</summary>
public sealed record WriteOptions
{
    /// <summary>x264's constant rate factor: 0 is lossless but for colour sampling, 18 looks so, 51 is worst.</summary>
    public int Crf { get; init; } = 16;

    /// <summary>Whole factor by which the picture is enlarged, each pixel a square.</summary>
    public int Upscale { get; init; } = 1;

    /// <summary>
    /// Facts kept in the file: title, comment, prompt, seed, model ... Control characters become spaces.
    /// </summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Longest wait for ffmpeg to take a frame, or to finish.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>
/// Writes RGB frames [Height, Width, 3] as H.264 in MP4. While it runs the video is `name.part.mp4` beside the target,
/// in fragments of a second, so that what a killed run leaves can be played. <see cref="Complete"/> rewrites it with
/// its index first (a browser knows the length and may seek), checks the number of frames and renames it: under the
/// target's name there is only ever a whole video.
/// </summary>
public sealed class VideoWriter : IDisposable
{
    readonly int width,
        height;
    readonly WriteOptions options;
    readonly CancellationToken token;
    readonly MediaProcess child;

    /// <exception cref="UserException">A size, rate or place that cannot be written.</exception>
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
        (Target, this.width, this.height, this.token) = (Path.GetFullPath(path), width, height, token);
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
        Partial = Beside("part");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Target)!);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: its folder cannot be made: {e.Message}", inner: e);
        }
        child = new MediaProcess("ffmpeg", Arguments(fps), this.options.Patience, input: true, token: token);
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
        if (Count == 0)
            throw new UserException($"{Target}: no frame was written");
        if (child.Wait() != 0)
            throw Failed(child);
        var whole = Beside("whole");
        try
        {
            using var index = new MediaProcess(
                "ffmpeg",
                [
                    .. Ffmpeg.Input,
                    "-nostdin",
                    "-y",
                    "-i",
                    Ffmpeg.Url(Partial),
                    "-map",
                    "0",
                    "-c",
                    "copy",
                    "-map_metadata",
                    "0",
                    "-movflags",
                    "+faststart+use_metadata_tags",
                    Ffmpeg.Url(whole),
                ],
                options.Patience,
                token: token
            );
            if (index.Wait() != 0)
                throw Failed(index);
            if (Probe.Try(whole, options.Patience, token) is var got && got.Info?.Frames != Count)
                throw new UserException(
                    $"{Target}: not written: {Count} frames went in, {got.Info?.Frames ?? 0} came out; {Kept()}"
                );
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
            child.Wait();
        child.Dispose();
    }

    /// <summary>Ends ffmpeg at once, as a crash would.</summary>
    internal void Kill() => child.Kill();

    string Beside(string mark) =>
        Path.Combine(Path.GetDirectoryName(Target)!, $"{Path.GetFileNameWithoutExtension(Target)}.{mark}.mp4");

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

    List<string> Arguments(double fps)
    {
        List<string> arguments =
        [
            "-v",
            "error",
            "-y",
            "-f",
            "rawvideo",
            "-pix_fmt",
            "rgb24",
            "-s",
            $"{width}x{height}",
            "-r",
            $"{fps:0.######}",
            "-i",
            "-",
            "-vf",
            Filters(),
            "-c:v",
            "libx264",
            "-preset",
            "superfast",
            "-bf",
            "0",
            "-crf",
            $"{options.Crf}",
            "-g",
            $"{Math.Ceiling(fps)}",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-color_range",
            "tv",
        ];
        foreach (var (key, value) in options.Metadata)
            arguments.AddRange(["-metadata", $"{Key(key)}={Clean(value)}"]);
        arguments.AddRange([
            "-movflags",
            "+frag_keyframe+empty_moov+default_base_moof+use_metadata_tags",
            "-flush_packets",
            "1",
            "-f",
            "mp4",
            Ffmpeg.Url(Partial),
        ]);
        return arguments;
    }

    // 4:2:0 needs even sides: an odd picture gains one black line. Where every pixel becomes an even square it is
    // turned into YUV before: the same values, of fewer pixels.
    string Filters()
    {
        const string convert =
            "scale=flags=area+accurate_rnd+full_chroma_inp:out_color_matrix=bt709:out_range=tv,format=";
        var enlarge = $"scale=iw*{options.Upscale}:ih*{options.Upscale}:flags=neighbor";
        return options.Upscale % 2 == 0
            ? $"{convert}yuv444p,{enlarge},format=yuv420p"
            : $"{enlarge},pad=ceil(iw/2)*2:ceil(ih/2)*2,{convert}yuv420p";
    }

    static string Key(string key) =>
        key.Length == 0
            ? "_"
            : string.Concat(key.Take(64).Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' ? c : '_'));

    // Control characters go (a zero would end the argument), halves of a surrogate pair become U+FFFD, 16,000
    // characters stay.
    static string Clean(string value)
    {
        var text = new StringBuilder();
        foreach (var rune in value.AsSpan(0, Math.Min(value.Length, 16_000)).EnumerateRunes())
            text.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        return text.ToString();
    }
}
