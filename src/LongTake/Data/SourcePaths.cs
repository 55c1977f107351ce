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

    /// <summary>Whether the file or a folder between it and its source is a link.</summary>
    public static bool Linked(string root, string path)
    {
        for (var at = path; at.Length > Path.TrimEndingDirectorySeparator(root).Length; at = Path.GetDirectoryName(at)!)
            if (new FileInfo(at) is { LinkTarget: not null } || new DirectoryInfo(at) is { LinkTarget: not null })
                return true;
        return false;
    }

    /// <summary>
    /// All files of a folder; linked folders are listed like files, so that they can be refused, and not entered.
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
            ShouldRecursePredicate = (ref FileSystemEntry e) => !e.Attributes.HasFlag(FileAttributes.ReparsePoint),
        }.Order(StringComparer.Ordinal);
}
