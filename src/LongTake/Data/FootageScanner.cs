using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using LongTake.Video;

namespace LongTake.Data;

/// <summary>What one file is: measured once, filtered as often as the rules change.</summary>
/// <param name="Content">SHA-256 of the file, "" when it could not be read.</param>
/// <param name="Rule">"" when it could be looked at, else why not: "exists", "video", "colour",
/// "undamaged".</param>
/// <param name="Reason">A sentence about that.</param>
/// <param name="Passing">True when trying again may help: a time-out, a disk that was away.</param>
/// <param name="Scan">What decoding found.</param>
public sealed record Look(
    int Version,
    string Path,
    long Size,
    DateTime Modified,
    string Content,
    string Rule,
    string Reason,
    bool Passing,
    VideoScan? Scan
);

[JsonSerializable(typeof(Look))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    UseStringEnumConverter = true,
    NewLine = "\n"
)]
internal sealed partial class LookJson : JsonSerializerContext;

/// <summary>
/// Looks at the videos of a set, each once, together with other processes: one record a video, in a file of its own, so
/// that a stopped run loses the one it was at. A video of another size or time is looked at anew.
/// </summary>
internal sealed class FootageScanner(string folder, TimeSpan patience)
{
    private const int Version = 2;
    private static readonly string[] playlists = ["#EXTM3U", "ffconcat", "<MPD", "<?xml", "v=0\no=", "[playlist]"];
    private readonly DateTime started = DateTime.UtcNow;

    /// <summary>The record of a file, or null when there is none that still holds.</summary>
    public Look? Known(string path)
    {
        var record = Place(path);
        try
        {
            if (!File.Exists(record))
                return null;
            var look = SealedJson.Read(record, LookJson.Default.Look);
            var now = new FileInfo(path);
            return
                look.Version == Version
                && look.Path == path
                && (
                    now.Exists
                        ? now.Length == look.Size && now.LastWriteTimeUtc == look.Modified
                        : look.Rule == "exists"
                )
                && (!look.Passing || File.GetLastWriteTimeUtc(record) >= started)
                ? look
                : null;
        }
        catch (Exception e) when (e is UserException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Looks at a file and writes its record and its sheet of thumbnails, a row a shot.</summary>
    public void Look(string path, CancellationToken cancel) =>
        SealedJson.Write(Place(path), Look(path, patience, Sheet(path), null, cancel), LookJson.Default.Look);

    /// <summary>The sheet of thumbnails of a video.</summary>
    public string Sheet(string path) => Path.ChangeExtension(Place(path), ".jpg");

    /// <summary>Name of a video's record.</summary>
    public static string Key(string path) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(path)))[..32];

    private string Place(string path) => Key(path) is var key ? Path.Combine(folder, key[..2], key + ".json") : "";

    /// <summary>Looks at a file; writes nothing but the sheet of thumbnails, where that is asked for.</summary>
    public static Look Look(
        string path,
        TimeSpan patience,
        string? sheet,
        Action<double>? progress,
        CancellationToken cancel
    )
    {
        var info = new FileInfo(path);
        var (size, modified, content) = (
            info.Exists ? info.Length : 0,
            info.Exists ? info.LastWriteTimeUtc : default,
            ""
        );
        Look Bad(string rule, string reason, bool passing = false) =>
            new(Version, path, size, modified, content, rule, UserException.Without(path, reason), passing, null);
        try
        {
            if (IsPlaylist(path))
                return Bad("video", "a playlist that points to other files; give the videos themselves");
            using (var stream = File.OpenRead(path))
                content = Convert.ToHexStringLower(SHA256.HashData(stream));
            var probed = Probe.Try(path, patience, cancel);
            if (probed.Info is not { } video)
                return Bad(
                    probed.Fault is ProbeFault.Missing ? "exists" : "video",
                    probed.Reason,
                    probed.Fault is ProbeFault.TimedOut or ProbeFault.Missing
                );
            if (video.Colour.Problem() is { Length: > 0 } problem)
                return Bad("colour", problem, passing: true);
            var strips = new Strips(video);
            var options = new ScanOptions { Patience = patience, Seen = sheet is null ? null : strips.See };
            var scan = VideoScan.Read(video, options, progress, cancel);
            if (sheet is not null)
                strips.Write(sheet, [.. scan.Shots.Select(s => s.Shot)]);
            return new(Version, path, size, modified, content, "", "", false, scan);
        }
        catch (UserException e)
        {
            cancel.ThrowIfCancellationRequested(); // Ctrl-C reaches ffmpeg too, and what it then says is no verdict
            return Bad("undamaged", e.Message, passing: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var gone = e is FileNotFoundException or DirectoryNotFoundException;
            return Bad("exists", gone ? "no such file" : e.Message, passing: true);
        }
    }

    // ffmpeg would follow a playlist, whatever its name, to files outside the sources.
    private static bool IsPlaylist(string path)
    {
        using var stream = File.OpenRead(path);
        var head = new byte[512];
        var text = Encoding
            .UTF8.GetString(head, 0, stream.ReadAtLeast(head, head.Length, throwOnEndOfStream: false))
            .TrimStart('\uFEFF', ' ', '\r', '\n', '\t')
            .Replace("\r\n", "\n");
        return playlists.Any(p => text.StartsWith(p, StringComparison.OrdinalIgnoreCase));
    }
}
