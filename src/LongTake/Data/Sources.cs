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
/// is read: a path that climbs out, or a symbolic link below a source, is refused. What a manifest names and the disk
/// lacks is listed, never fetched.
/// </summary>
public sealed class Sources
{
    private static readonly string[] Aside =
        ".txt .json .jsonl .csv .md .srt .vtt .png .jpg .jpeg .webp .caption".Split(' ');

    private readonly List<string> roots = [];
    private readonly Dictionary<string, (string Caption, string From, IReadOnlyList<string> Windows)> captions = new(
        StringComparer.Ordinal
    );
    private readonly Dictionary<string, string> files = new(StringComparer.Ordinal); // full path -> name
    private readonly List<Refused> refused = [];
    private readonly HashSet<string> used = new(StringComparer.Ordinal);
    private readonly Lazy<Dictionary<string, string>> stems;

    private Sources() => stems = new(Stems);

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
        return (root, [.. found.Where(f => !Aside.Contains(Path.GetExtension(f).ToLowerInvariant()))]);
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
                refused.Add(new(file, "manifest", e.Message));
            }
        foreach (var file in all)
        {
            cancel.ThrowIfCancellationRequested();
            Add(root, file);
        }
    }

    private void Add(string root, string file)
    {
        var extension = Path.GetExtension(file).ToLowerInvariant();
        if (SourcePaths.Linked(root, file))
            refused.Add(new(file, "link", "a symbolic link; links are not followed: give its target as a source"));
        else if (used.Contains(file) || IsSide(file))
            return;
        else if (Aside.Contains(extension))
            refused.Add(new(file, "video", $"a {extension} file, not a video"));
        else
            files.TryAdd(file, Path.GetRelativePath(root, file));
    }

    // a.txt and a.json beside a.mp4 are its captions.
    private static bool IsSide(string file) =>
        Path.GetExtension(file).ToLowerInvariant() is ".txt" or ".json" or ".caption"
        && Directory
            .EnumerateFiles(Path.GetDirectoryName(file)!, Path.GetFileNameWithoutExtension(file) + ".*")
            .Any(f =>
                !Aside.Contains(Path.GetExtension(f).ToLowerInvariant())
                && Path.GetFileNameWithoutExtension(f) == Path.GetFileNameWithoutExtension(file)
            );

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
                captions.TryAdd(file, (row.Caption, manifest, row.Windows));
                if (adds)
                    files.TryAdd(file, Path.GetRelativePath(roots.First(r => SourcePaths.Inside(r, file)), file));
            }
        }
    }

    // The file a row means: by its path, else by its id among all files of the sources. Null, and a reason, when there
    // is none.
    private string? Place(string manifest, ManifestRow row)
    {
        var shown = $"{manifest}:{row.Line}";
        if (row.Path.Contains("://", StringComparison.Ordinal) && row.Ids.Count == 0)
        {
            refused.Add(
                new(
                    shown,
                    "exists",
                    $"names the address {VideoManifest.Quote(row.Path)}: nothing is downloaded; give files on disk"
                )
            );
            return null;
        }
        if (row.Path.Length > 0 && !row.Path.Contains("://", StringComparison.Ordinal))
        {
            var full = Path.GetFullPath(row.Path, Path.GetDirectoryName(manifest)!);
            if (roots.Where(r => SourcePaths.Inside(r, full)).MaxBy(r => r.Length) is not { } root)
            {
                refused.Add(
                    new(
                        shown,
                        "outside",
                        $"names {VideoManifest.Quote(row.Path)}, which lies outside the sources; give its folder "
                            + $"as a source too"
                    )
                );
                return null;
            }
            if (SourcePaths.Linked(root, full))
            {
                refused.Add(
                    new(
                        shown,
                        "link",
                        $"names {VideoManifest.Quote(row.Path)}, which is or lies behind a symbolic link; links "
                            + $"are not followed"
                    )
                );
                return null;
            }
            if (File.Exists(full))
                return full;
            if (Directory.Exists(full))
            {
                refused.Add(
                    new(shown, "exists", $"names {VideoManifest.Quote(row.Path)}, which is a folder, not a video")
                );
                return null;
            }
        }
        foreach (var id in row.Ids)
            if (stems.Value.TryGetValue(SourcePaths.Stem(id), out var found))
                return found;
        refused.Add(
            new(
                shown,
                "exists",
                row.Ids.Count > 0
                    ? $"{VideoManifest.Quote(row.Ids[0])} is not on disk among the sources (nothing is downloaded)"
                    : $"names {VideoManifest.Quote(row.Path)}, which is not on disk"
            )
        );
        return null;
    }

    private SourceFile Described(string file, string name, bool fromName)
    {
        if (captions.TryGetValue(file, out var said) && (said.Caption.Length > 0 || said.Windows.Count > 0))
            return new(file, name, said.Caption, Path.GetFileName(said.From), said.Windows);
        foreach (
            var side in (string[])
                [
                    Path.ChangeExtension(file, ".txt"),
                    Path.ChangeExtension(file, ".caption"),
                    Path.ChangeExtension(file, ".json"),
                ]
        )
            if (
                File.Exists(side)
                && new FileInfo(side).LinkTarget is null
                && VideoManifest.Side(side) is { Length: > 0 } text
            )
                return new(file, name, text, Path.GetFileName(side), []);
        var words = string.Join(
            ' ',
            Path.GetFileNameWithoutExtension(file).Split(['_', '-', '.', ' '], StringSplitOptions.RemoveEmptyEntries)
        );
        return fromName ? new(file, name, words, "name", []) : new(file, name, "", "", []);
    }

    private Dictionary<string, string> Stems()
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var root in roots.Distinct())
        foreach (var file in SourcePaths.Entries(root))
            if (!Aside.Contains(Path.GetExtension(file).ToLowerInvariant()) && !SourcePaths.Linked(root, file))
                found.TryAdd(SourcePaths.Stem(Path.GetFileName(file)), file);
        return found;
    }
}
