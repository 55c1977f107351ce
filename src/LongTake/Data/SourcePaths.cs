using System.IO.Enumeration;

namespace LongTake.Data;

/// <summary>Paths within sources.</summary>
internal static class SourcePaths
{
    /// <summary>The id that a name says: 000000012.mp4 and 12 are one.</summary>
    public static string Stem(string id)
    {
        var name = id[(id.LastIndexOfAny(['/', '\\']) + 1)..];
        if (
            name.LastIndexOf('.') is > 0 and var dot
            && name.Length - dot <= 5
            && name.Skip(dot + 1).All(char.IsAsciiLetterOrDigit)
        )
            name = name[..dot];
        return name.Length > 0 && !name.AsSpan().ContainsAnyExceptInRange('0', '9') ? name.TrimStart('0') : name;
    }

    public static bool Inside(string root, string path) =>
        path.StartsWith(
            Path.TrimEndingDirectorySeparator(root) + Path.DirectorySeparatorChar,
            StringComparison.Ordinal
        );

    /// <summary>Whether a path names a drive or a share of Windows, and this is another system.</summary>
    public static bool IsOfWindows(string path) =>
        !OperatingSystem.IsWindows()
        && (path is [_, ':', '\\' or '/', ..] && char.IsAsciiLetter(path[0]) || path is ['\\', '\\', ..]);

    /// <summary>A path of a manifest; where nothing is there, backslashes are those of Windows.</summary>
    public static string Full(string path, string folder) =>
        Path.GetFullPath(path, folder) is var full && (!path.Contains('\\') || Path.Exists(full))
            ? full
            : Path.GetFullPath(path.Replace('\\', '/'), folder);

    /// <summary>
    /// Whether the file or a folder between it and its source is a link; the files of a Hugging Face cache count as
    /// none.
    /// </summary>
    public static bool Linked(string root, string path)
    {
        for (var at = path; at.Length > Path.TrimEndingDirectorySeparator(root).Length; at = Path.GetDirectoryName(at)!)
            if (
                (new FileInfo(at).LinkTarget ?? new DirectoryInfo(at).LinkTarget) is { } target
                && !(at == path && IsCached(path, target))
            )
                return true;
        return false;
    }

    // REPOSITORY/snapshots/REVISION/name.mp4 is a link to REPOSITORY/blobs/HASH.
    private static bool IsCached(string link, string target)
    {
        var blob = Path.GetFullPath(target, Path.GetDirectoryName(link)!);
        return Path.GetDirectoryName(blob) is { } blobs
            && Path.GetFileName(blobs) == "blobs"
            && Inside(Path.Combine(Path.GetDirectoryName(blobs)!, "snapshots"), link)
            && new FileInfo(blob) is { Exists: true, LinkTarget: null };
    }

    // What a Hugging Face cache holds beside its snapshots: the bytes of their files, by hash, and notes of its own.
    private static bool IsStore(string folder) =>
        Path.GetFileName(folder) is "blobs" or "refs" or ".no_exist" or ".locks"
        && (
            Path.GetFileName(folder) == ".locks"
            || Directory.Exists(Path.Combine(Path.GetDirectoryName(folder)!, "snapshots"))
        );

    /// <summary>
    /// All files of a folder; linked folders are listed like files, so that they can be refused, and not entered. The
    /// store of a Hugging Face cache is left out.
    /// </summary>
    public static IEnumerable<string> Entries(string root) =>
        new FileSystemEnumerable<string>(
            root,
            (ref FileSystemEntry e) => e.ToFullPath(),
            new()
            {
                RecurseSubdirectories = true,
                AttributesToSkip = 0,
                IgnoreInaccessible = true,
            }
        )
        {
            ShouldIncludePredicate = (ref FileSystemEntry e) =>
                !e.IsDirectory || e.Attributes.HasFlag(FileAttributes.ReparsePoint),
            ShouldRecursePredicate = (ref FileSystemEntry e) =>
                !e.Attributes.HasFlag(FileAttributes.ReparsePoint) && !IsStore(e.ToFullPath()),
        }.Order(StringComparer.Ordinal);
}
