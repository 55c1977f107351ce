using System.Collections.Concurrent;
using System.Text;

namespace LongTake.Video;

/// <summary>What ffmpeg is asked to write, by the ending of a video's name.</summary>
internal sealed class VideoFormat
{
    // A GIF counts in hundredths of a second, and viewers show a frame of a single one for ten.
    private const double MostGifFps = 50;

    private const string Fragments = "+frag_keyframe+empty_moov+default_base_moof";

    private static readonly Dictionary<string, string> muxers = new(StringComparer.OrdinalIgnoreCase)
    {
        [".mp4"] = "mp4",
        [".mov"] = "mov",
        [".mkv"] = "matroska",
        [".webm"] = "webm",
        [".gif"] = "gif",
    };
    private static readonly ConcurrentDictionary<string, bool> tried = new();

    // Codecs of a container, the first without a choice.
    private static readonly Dictionary<string, VideoCodec[]> codecs = new()
    {
        ["mp4"] = [VideoCodec.H264, VideoCodec.Hevc, VideoCodec.Av1],
        ["mov"] = [VideoCodec.H264, VideoCodec.Hevc, VideoCodec.ProRes],
        ["matroska"] = [VideoCodec.H264, VideoCodec.Hevc, VideoCodec.Av1],
        ["webm"] = [VideoCodec.Vp9, VideoCodec.Av1],
        ["gif"] = [],
    };
    private readonly string muxer;
    private readonly VideoCodec? codec;

    private VideoFormat(string muxer, VideoCodec? codec) => (this.muxer, this.codec) = (muxer, codec);

    private bool Mp4 => muxer is "mp4" or "mov";

    /// <summary>The format that a path names, with a codec or its own.</summary>
    /// <exception cref="UserException">Usage: an ending that is none of a video, or a rate or codec that it cannot
    /// have.</exception>
    public static VideoFormat Of(string path, double fps, VideoCodec? codec = null)
    {
        var ending = Path.GetExtension(path);
        if (!muxers.TryGetValue(ending, out var muxer))
            throw new UserException(
                $"{path}: "
                    + (ending.Length > 1 ? $"'{ending}' is no ending of a video that can be written" : "has no ending")
                    + "; give a name that ends in "
                    + $"{string.Join(", ", muxers.Keys.SkipLast(1))} or {muxers.Keys.Last()}",
                usage: true
            );
        if (muxer == "gif" && fps > MostGifFps)
            throw new UserException(
                $"{path}: a GIF has at most {MostGifFps} frames a second, not {fps:0.###}; take another ending",
                usage: true
            );
        if (codec is { } wanted && !codecs[muxer].Contains(wanted))
            throw new UserException(
                $"{path}: {ending} takes no {wanted}"
                    + (codecs[muxer] is { Length: > 0 } able ? $"; it takes {string.Join(", ", able)}" : ""),
                usage: true
            );
        return new(muxer, codec ?? (codecs[muxer] is [var own, ..] ? own : null));
    }

    /// <summary>Encodes one frame to nowhere, once a process: does this ffmpeg have the encoder?</summary>
    /// <exception cref="UserException">It has not.</exception>
    public void Try(string path, CancellationToken token)
    {
        var key = $"{Ffmpeg.Locate("ffmpeg")} {muxer} {codec}";
        if (tried.ContainsKey(key))
            return;
        var arguments = Arguments(64, 64, 8, new(), OperatingSystem.IsWindows() ? "NUL" : "/dev/null");
        using var child = new MediaProcess("ffmpeg", arguments, TimeSpan.FromMinutes(1), input: true, token: token);
        try
        {
            child.Write(new byte[64 * 64 * 3]);
        }
        catch (IOException) { } // its exit code tells
        if (child.Wait() != 0)
            throw new UserException(
                $"{path}: this ffmpeg cannot write it ({child.FirstError}). Give another ending, or install an ffmpeg "
                    + $"that has {(codec is { } c ? Encoder(c)[0] : "gif")}."
            );
        tried[key] = true;
    }

    /// <summary>
    /// Arguments that read RGB frames from standard input and write them so that a file that breaks off can be played.
    /// </summary>
    public List<string> Arguments(int width, int height, double fps, WriteOptions options, string output)
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
            "-filter_complex",
            Filters(options.Upscale),
        ];
        if (muxer != "gif")
        {
            arguments.AddRange(["-c:v", .. Encoder(codec!.Value)]);
            if (codec == VideoCodec.Hevc && Mp4)
                arguments.AddRange(["-tag:v", "hvc1"]); // what Apple's players look for
            if (codec != VideoCodec.ProRes)
                arguments.AddRange(["-crf", $"{options.Crf}"]);
            arguments.AddRange(["-g", $"{Math.Ceiling(fps)}", "-color_range", "tv"]);
            foreach (var about in (string[])["-colorspace", "-color_primaries", "-color_trc"])
                arguments.AddRange([about, "bt709"]);
        }
        foreach (var (key, value) in options.Metadata)
            arguments.AddRange(["-metadata", $"{Key(key)}={Clean(value)}"]);
        if (Mp4)
            arguments.AddRange(["-movflags", Fragments + "+use_metadata_tags"]);
        arguments.AddRange(["-flush_packets", "1", "-f", muxer, output]);
        return arguments;
    }

    /// <summary>Arguments that write a finished video again, with its index where players look for it first.</summary>
    public List<string> Indexed(string from, string to, bool fragmented = false)
    {
        List<string> arguments = [.. Ffmpeg.Input, "-nostdin", "-y", "-i", Ffmpeg.Url(from), "-map", "0", "-c", "copy"];
        arguments.AddRange(["-map_metadata", "0"]);
        if (Mp4)
            arguments.AddRange(["-movflags", $"{(fragmented ? Fragments : "+faststart")}+use_metadata_tags"]);
        arguments.AddRange(["-f", muxer, Ffmpeg.Url(to)]);
        return arguments;
    }

    // 4:2:0 needs even sides: an odd picture gains one black line. Where every pixel becomes an even square it is
    // turned into YUV before: the same values, of fewer pixels. Each frame of a GIF has 256 colours of its own.
    private string Filters(int upscale)
    {
        const string convert =
            "scale=flags=area+accurate_rnd+full_chroma_inp:out_color_matrix=bt709:out_range=tv,format=";
        const string palette = "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=new=1";
        var enlarge = $"scale=iw*{upscale}:ih*{upscale}:flags=neighbor";
        return muxer == "gif" ? $"{enlarge},{palette}"
            : upscale % 2 == 0 ? $"{convert}yuv444p,{enlarge},format={Pixels}"
            : $"{enlarge},pad=ceil(iw/2)*2:ceil(ih/2)*2,{convert}{Pixels}";
    }

    private string Pixels => codec == VideoCodec.ProRes ? "yuv422p10le" : "yuv420p";

    private static string[] Encoder(VideoCodec codec) =>
        codec switch
        {
            VideoCodec.Hevc => ["libx265", "-preset", "fast", "-x265-params", "log-level=error"],
            VideoCodec.Av1 => ["libaom-av1", "-b:v", "0", "-row-mt", "1", "-cpu-used", "8"],
            VideoCodec.ProRes => ["prores_ks", "-profile:v", "3"],
            VideoCodec.Vp9 => ["libvpx-vp9", "-b:v", "0", "-row-mt", "1", "-cpu-used", "4"],
            _ => ["libx264", "-preset", "superfast", "-bf", "0"],
        };

    private static string Key(string key) =>
        key.Length == 0
            ? "_"
            : string.Concat(key.Take(64).Select(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' ? c : '_'));

    // Control characters go (a zero would end the argument), halves of a surrogate pair become U+FFFD, 16,000
    // characters stay.
    private static string Clean(string value)
    {
        var text = new StringBuilder();
        foreach (var rune in value.AsSpan(0, Math.Min(value.Length, 16_000)).EnumerateRunes())
            text.Append(Rune.IsControl(rune) ? " " : rune.ToString());
        return text.ToString();
    }
}
