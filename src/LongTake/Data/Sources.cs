using Microsoft.Extensions.FileSystemGlobbing;
using Microsoft.Extensions.FileSystemGlobbing.Abstractions;

namespace LongTake.Data;

/// <summary>A file to look at, with what manifests and side files say of it.</summary>
/// <param name="Path">Full path.</param>
/// <param name="Name">Path within its source, for people to read.</param>
/// <param name="CaptionFrom">The file that the caption comes from, "name" for the file's own name, "" without a
/// caption.</param>
/// <param name="Windows">Captions of equal stretches of the video, in order; mostly none.</param>
public sealed record SourceFile(
    string Path,
    string Name,
    string Caption,
    string CaptionFrom,
    IReadOnlyList<string> Windows
);

/// <summary>Something a source named that is not looked at.</summary>
public sealed record Refused(string Path, string Rule, string Reason);

/// <summary>
/// What the sources of an ingest hold: folders, globs, manifests, WebDataset tars, single videos. Nothing outside them
/// is read: a path that climbs out, or a symbolic link below a source, is refused; only those of a Hugging Face cache
/// are followed. What a manifest names and the disk lacks is listed, never fetched.
/// </summary>
public sealed class Sources
{
    private readonly List<string> roots = [];
    private readonly Dictionary<string, (ManifestRow Row, string From)> captions = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> files = new(StringComparer.Ordinal); // full path -> name
    private readonly Dictionary<string, SourceFolder> folders = new(StringComparer.Ordinal);
    private readonly List<Refused> refused = [];
    private readonly List<string> unread = []; // folders with a manifest that cannot be read
    private readonly HashSet<string> used = new(StringComparer.Ordinal);
    private readonly Lazy<SourceIndex> index;

    private Sources() => index = new(() => new(roots.Distinct().SelectMany(Videos)));

    /// <summary>The files, in the order of their names, and what is refused.</summary>
    /// <param name="sources">Folders, globs, manifests, tars, videos.</param>
    /// <param name="unpacked">Folder that tars are unpacked into.</param>
    /// <exception cref="UserException">A source that is not there or a manifest that cannot be read.</exception>
    public static (IReadOnlyList<SourceFile> Files, IReadOnlyList<Refused> Refused) Find(
        IEnumerable<string> sources,
        string unpacked,
        bool captionFromName = true,
        CancellationToken cancel = default
    )
    {
        var all = new Sources();
        var manifests = new List<string>();
        var globs = new List<(string Root, string[] Files)>();
        var folders = new List<string>();
        foreach (var given in sources.Distinct())
        {
            cancel.ThrowIfCancellationRequested();
            var path = Path.GetFullPath(given);
            if (Directory.Exists(path))
                folders.Add(path);
            else if (!File.Exists(path) && given.AsSpan().ContainsAny('*', '?'))
                globs.Add(all.Glob(path));
            else if (!File.Exists(path))
                throw Absent(given);
            else if (Tar.Is(path))
                folders.Add(Tar.Unpack(path, unpacked, all.refused, cancel));
            else if (VideoManifest.Is(path))
                manifests.Add(path);
            else
                all.files.TryAdd(path, Path.GetFileName(path));
        }
        all.roots.AddRange(folders);
        all.roots.AddRange(manifests.Select(m => Path.GetDirectoryName(m)!));
        foreach (var manifest in manifests)
            all.Read(manifest, adds: true);
        foreach (var folder in folders)
            all.Walk(folder, cancel);
        foreach (var (root, found) in globs)
        foreach (var file in found)
            all.Add(root, file);
        return (
            [
                .. all
                    .files.OrderBy(f => f.Key, StringComparer.Ordinal)
                    .Select(f => all.Described(f.Key, f.Value, captionFromName)),
            ],
            [.. all.refused.DistinctBy(r => (r.Path, r.Rule)).OrderBy(r => r.Path, StringComparer.Ordinal)]
        );
    }

    /// <summary>Says at once when a source is not there; patterns may match nothing.</summary>
    /// <exception cref="UserException">Usage: which one.</exception>
    public static void Require(IEnumerable<string> sources)
    {
        if (sources.FirstOrDefault(s => !Path.Exists(s) && !s.AsSpan().ContainsAny('*', '?')) is { } absent)
            throw Absent(absent);
    }

    private static UserException Absent(string source) =>
        new(
            $"{source}: no such file or folder. Sources are folders, videos, manifests, tars, and patterns in quotes.",
            usage: true
        );

    private (string, string[]) Glob(string path)
    {
        var root = path;
        while (root.AsSpan().ContainsAny('*', '?'))
            root = Path.GetDirectoryName(root)!;
        var matcher = new Matcher(StringComparison.Ordinal).AddInclude(Path.GetRelativePath(root, path));
        string[] found = Directory.Exists(root)
            ?
            [
                .. matcher
                    .Execute(new DirectoryInfoWrapper(new(root)))
                    .Files.Select(f => Path.GetFullPath(Path.Combine(root, f.Path))),
            ]
            : [];
        if (found.Length == 0)
            refused.Add(new(path, "exists", "no file matches this pattern"));
        roots.Add(root);
        return (root, [.. found.Where(f => !SourceFolder.Aside.Contains(SourceFolder.Ending(f)))]);
    }

    // Manifests first, so that what they use is not taken for videos that cannot be read.
    private void Walk(string root, CancellationToken cancel)
    {
        var all = SourcePaths.Entries(root).ToList();
        foreach (var file in all.Where(f => VideoManifest.IsUsual(f) && !SourcePaths.Linked(root, f)))
            try
            {
                Read(file, adds: false);
            }
            catch (UserException e)
            {
                refused.Add(new(file, "manifest", UserException.Without(file, e.Message)));
                unread.Add(Path.GetDirectoryName(file)!);
                used.Add(file);
            }
        foreach (var file in all)
        {
            cancel.ThrowIfCancellationRequested();
            Add(root, file);
        }
    }

    private void Add(string root, string file)
    {
        if (SourcePaths.Linked(root, file))
            refused.Add(new(file, "link", "a symbolic link; links are not followed: give its target as a source"));
        else if (used.Contains(file) || Folder(file).IsSide(file))
            return;
        else if (SourceFolder.Ending(file) is var ending && SourceFolder.Aside.Contains(ending))
            refused.Add(new(file, "video", $"a {ending} file, not a video"));
        else
            files.TryAdd(file, Path.GetRelativePath(root, file));
    }

    private SourceFolder Folder(string file)
    {
        var folder = Path.GetDirectoryName(file)!;
        return folders.TryGetValue(folder, out var known) ? known : folders[folder] = new(folder);
    }

    private void Read(string manifest, bool adds)
    {
        var (rows, companions) = VideoManifest.Read(manifest);
        used.Add(manifest);
        used.UnionWith(companions);
        foreach (var row in rows)
        {
            if (row.Problem.Length > 0)
                refused.Add(new($"{manifest}:{row.Line}", "manifest", row.Problem));
            else if (Place(manifest, row) is { } file)
            {
                Say(manifest, row, file);
                if (adds)
                    files.TryAdd(file, Path.GetRelativePath(roots.First(r => SourcePaths.Inside(r, file)), file));
            }
        }
    }

    // Of several captions the first counts, and the others are refused.
    private void Say(string manifest, ManifestRow row, string file)
    {
        if (row.Caption.Length == 0 && row.Windows.Count == 0)
            return;
        if (captions.TryAdd(file, (row, manifest)))
            return;
        var (before, from) = captions[file];
        if (before.Caption != row.Caption || !before.Windows.SequenceEqual(row.Windows))
            refused.Add(
                new(
                    $"{manifest}:{row.Line}",
                    "manifest",
                    $"another caption of {VideoManifest.Quote(Path.GetFileName(file))} than in "
                        + $"{from}:{before.Line}, which counts"
                )
            );
    }

    // The file a row means: by its path, else by its id among all files of the sources. Null, and a reason, when there
    // is none.
    private string? Place(string manifest, ManifestRow row)
    {
        string? No(string rule, string reason)
        {
            refused.Add(new($"{manifest}:{row.Line}", rule, reason));
            return null;
        }
        var named = VideoManifest.Quote(row.Path);
        var web = row.Path.Contains("://", StringComparison.Ordinal);
        var elsewhere = SourcePaths.IsOfWindows(row.Path);
        if (web && row.Ids.Count == 0)
            return No("exists", $"names the address {named}: nothing is downloaded; give files on disk");
        if (row.Path.Length > 0 && !web && !elsewhere)
        {
            var full = SourcePaths.Full(row.Path, Path.GetDirectoryName(manifest)!);
            if (roots.Where(r => SourcePaths.Inside(r, full)).MaxBy(r => r.Length) is not { } root)
                return No("outside", $"names {named}, which lies outside the sources; give its folder as a source too");
            if (SourcePaths.Linked(root, full))
                return No("link", $"names {named}, which is or lies behind a symbolic link; links are not followed");
            if (File.Exists(full))
                return full;
            if (Directory.Exists(full))
                return No("exists", $"names {named}, which is a folder, not a video");
        }
        foreach (var id in elsewhere ? row.Ids.Prepend(row.Path) : row.Ids)
        {
            var found = index.Value.Find(id, whole: elsewhere && id == row.Path);
            if (found.Count > 1)
                return No(
                    "manifest",
                    $"{VideoManifest.Quote(id)} may be {found[0]} or {found[1]}; name it with its folder"
                );
            if (found.Count == 1)
                return found[0];
        }
        return No(
            "exists",
            row.Ids.Count > 0
                ? $"{VideoManifest.Quote(row.Ids[0])} is not on disk among the sources (nothing is downloaded)"
                : $"names {named}, which is not on disk"
        );
    }

    // A caption that cannot be read is none: never another one, nor the name.
    private SourceFile Described(string file, string name, bool fromName)
    {
        if (captions.TryGetValue(file, out var said))
            return new(file, name, said.Row.Caption, Path.GetFileName(said.From), said.Row.Windows);
        foreach (var side in Folder(file).Beside(file))
        {
            if (SourcePaths.Linked(Path.GetDirectoryName(side)!, side))
                refused.Add(new(side, "link", "a symbolic link; links are not followed"));
            else
                try
                {
                    if (VideoManifest.Side(side) is { Length: > 0 } text)
                        return new(file, name, text, Path.GetFileName(side), []);
                    continue;
                }
                catch (UserException e)
                {
                    refused.Add(new(side, "manifest", UserException.Without(side, e.Message)));
                }
            return new(file, name, "", "", []);
        }
        if (!fromName || unread.Any(f => SourcePaths.Inside(f, file)))
            return new(file, name, "", "", []);
        var words = string.Join(
            ' ',
            Path.GetFileNameWithoutExtension(file).Split(['_', '-', '.', ' '], StringSplitOptions.RemoveEmptyEntries)
        );
        return new(file, name, words, "name", []);
    }

    private static IEnumerable<string> Videos(string root) =>
        SourcePaths
            .Entries(root)
            .Where(f => !SourceFolder.Aside.Contains(SourceFolder.Ending(f)) && !SourcePaths.Linked(root, f));
}
