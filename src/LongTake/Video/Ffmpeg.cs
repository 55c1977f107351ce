namespace LongTake.Video;

/// <summary>Where the ffmpeg programs are. Nothing is cached, so a changed environment is seen at once.</summary>
public static class Ffmpeg
{
    /// <summary>
    /// Environment variable: the folder that holds ffmpeg and ffprobe. When set, PATH is not searched.
    /// </summary>
    public const string Variable = "LONGTAKE_FFMPEG";

    /// <summary>Full path of `ffmpeg` or `ffprobe`.</summary>
    /// <exception cref="UserException">The program is not there: the message says where it was looked for.</exception>
    public static string Locate(string program) =>
        Locate(program, Environment.GetEnvironmentVariable(Variable), Environment.GetEnvironmentVariable("PATH"));

    /// <summary>
    /// As <see cref="Locate(string)"/>, with the two places to look given: a folder, else a PATH-like list.
    /// </summary>
    public static string Locate(string program, string? folder, string? searchPath)
    {
        var file = OperatingSystem.IsWindows() ? program + ".exe" : program;
        var folders = string.IsNullOrWhiteSpace(folder)
            ? (searchPath ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            : [folder];
        foreach (var place in folders)
            if (Path.Combine(place, file) is var full && File.Exists(full))
                return full;
        var looked = string.IsNullOrWhiteSpace(folder)
            ? $"on PATH ({folders.Length} folders)"
            : $"in {folder} (from {Variable})";
        throw new UserException(
            $"{program}: not found {looked}. LongTake reads and writes video with ffmpeg: install it "
                + $"(Debian, Ubuntu: apt install ffmpeg; macOS: brew install ffmpeg; Windows: winget install ffmpeg) "
                + $"or set {Variable} to the folder that holds ffmpeg and ffprobe."
        );
    }

    /// <summary>First line of `ffmpeg -version`, for `longtake doctor`.</summary>
    public static string Version()
    {
        using var child = new MediaProcess("ffmpeg", ["-version"], TimeSpan.FromSeconds(20));
        return child.Text().Split('\n')[0].Trim();
    }

    /// <summary>Whether it was built with a filter.</summary>
    internal static bool Has(string filter)
    {
        using var child = new MediaProcess("ffmpeg", ["-v", "error", "-filters"], TimeSpan.FromSeconds(20));
        return child.Text().Contains($" {filter} ", StringComparison.Ordinal);
    }

    /// <summary>
    /// A path as ffmpeg must get it: absolute and with its protocol, so that a name that starts with a dash or holds a
    /// colon is a name and nothing else.
    /// </summary>
    internal static string Url(string path) => "file:" + Path.GetFullPath(path);

    /// <summary>
    /// What begins at a stamp: arguments before the input, and a filter ("" or with a comma at the end). Only formats
    /// with an index are jumped in; others (transport and program streams, AVI, Ogg) land within a group of frames and
    /// lose those up to the next, so they are decoded from the beginning.
    /// </summary>
    internal static (string[] Input, string Filter) From(string path, double? stamp) =>
        stamp is not { } at ? ([], "")
        : HasIndex(path) ? (["-seek_timestamp", "1", "-ss", $"{at:0.######}"], "")
        : (["-copyts"], $"trim=start={at:0.######},");

    // MP4, QuickTime, 3GP; Matroska, WebM
    private static bool HasIndex(string path)
    {
        var head = new byte[8];
        using var file = File.OpenRead(path);
        var read = head.AsSpan(0, file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false));
        return read.StartsWith((ReadOnlySpan<byte>)[0x1A, 0x45, 0xDF, 0xA3])
            || (read.Length == 8 && (read[4..].SequenceEqual("ftyp"u8) || read[4..].SequenceEqual("moov"u8)));
    }

    /// <summary>
    /// Arguments before an input file: errors only, local files only (a playlist may not reach the network).
    /// </summary>
    internal static readonly string[] Input = ["-v", "error", "-protocol_whitelist", "file"];
}
