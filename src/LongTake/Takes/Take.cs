using System.Text.Json;

namespace LongTake.Takes;

/// <summary>
/// A take as a document: a folder with <c>take.json</c>, the latents in files named by their SHA-256, a preview, and
/// while something is being made what is finished of it. Everything is written whole or not at all.
/// </summary>
public sealed partial class Take : IDisposable
{
    private const string DocumentFile = "take.json",
        LatentFolder = "latents",
        WorkFolder = "work";
    private const long MostBytes = 64 << 20;

    private IDisposable? alone;
    private string? unpacked;

    private Take(string path, TakeDocument document) => (Path, Name, Document) = (path, path, document);

    /// <summary>The folder; of a single file, where it is unpacked.</summary>
    public string Path { get; }

    /// <summary>What it was opened as.</summary>
    public string Name { get; private init; } = "";
    public TakeDocument Document { get; private set; }

    /// <summary>The picture of the current branch.</summary>
    public string Preview => System.IO.Path.Combine(Path, "preview.png");

    internal string Work => System.IO.Path.Combine(Path, WorkFolder);

    /// <summary>
    /// Opens a take: its folder, or the single file that it was exported to, which is for reading only.
    /// </summary>
    /// <exception cref="UserException">It is not there, damaged, or of another format.</exception>
    public static Take Open(string path)
    {
        if (!File.Exists(path))
            return new(path, Read(path));
        var folder = Directory.CreateTempSubdirectory("longtake-take-").FullName;
        try
        {
            TakeZip.Unpack(path, folder);
            return new(folder, Read(folder)) { unpacked = folder, Name = path };
        }
        catch (Exception e)
        {
            Directory.Delete(folder, recursive: true);
            if (e is UserException u && u.Message.StartsWith(folder, StringComparison.Ordinal))
                throw new UserException(path + u.Message[folder.Length..], inner: e);
            throw;
        }
    }

    /// <summary>Opens a take to work on it; no other process can meanwhile.</summary>
    /// <exception cref="UserException">As for <see cref="Open"/>; another process works on it, or it is a single
    /// file.</exception>
    public static Take Edit(string path)
    {
        if (File.Exists(path))
            throw new UserException($"{path}: a single file is for reading; export it to a folder NAME.take first");
        if (!Directory.Exists(path))
            throw Missing(path);
        var alone = FileLock.Output(path);
        try
        {
            return new(path, Read(path)) { alone = alone };
        }
        catch
        {
            alone.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a take to work on it, or makes one of no operation where there is none; an empty folder will do.
    /// </summary>
    internal static Take EditOrCreate(string path, TakeDocument fresh)
    {
        OutputPlace.RequireFolder(path);
        var alone = FileLock.Output(path);
        try
        {
            if (Directory.Exists(path) && File.Exists(System.IO.Path.Combine(path, DocumentFile)))
                return new(path, Read(path)) { alone = alone };
            if (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any(e => !IsTemporary(e)))
                throw new UserException($"{path}: a folder that is no take; give another name", usage: true);
            Directory.CreateDirectory(path);
            var take = new Take(path, fresh) { alone = alone };
            take.Save(fresh);
            return take;
        }
        catch
        {
            alone.Dispose();
            throw;
        }
    }

    /// <summary>Operations that are begun and not finished: the call that began one goes on with it.</summary>
    public IReadOnlyList<TakeOperation> Unfinished => [.. TakeWork.All(this).Select(w => w.Operation)];

    /// <summary>Writes the document.</summary>
    internal void Save(TakeDocument document)
    {
        if (alone is null)
            throw new InvalidOperationException("a take that is open for reading");
        SealedJson.Write(System.IO.Path.Combine(Path, DocumentFile), document, TakeJson.Default.TakeDocument);
        Document = document;
    }

    /// <summary>All files of latents that the document names.</summary>
    public IEnumerable<string> Files =>
        Document.Operations.SelectMany(o => o.Segments).Select(s => s.Sha256).Distinct().Select(FileOf);

    /// <summary>
    /// Deletes what no operation needs: unfinished files of processes that were killed, and latents of work that nobody
    /// went on with.
    /// </summary>
    internal void Sweep()
    {
        foreach (var file in Directory.EnumerateFiles(Path, ".*.tmp", SearchOption.AllDirectories))
            AtomicFile.Delete(file);
        var needed = Files.Concat(
            TakeWork.All(this).SelectMany(w => w.Operation.Segments.Select(s => FileOf(s.Sha256)))
        );
        var folder = System.IO.Path.Combine(Path, LatentFolder);
        if (Directory.Exists(folder))
            foreach (var file in Directory.EnumerateFiles(folder).Except(needed))
                AtomicFile.Delete(file);
    }

    /// <summary>Lets other processes work on it; deletes what was unpacked of a single file.</summary>
    public void Dispose()
    {
        alone?.Dispose();
        alone = null;
        if (unpacked is not null && Directory.Exists(unpacked))
            Directory.Delete(unpacked, recursive: true);
    }

    private static bool IsTemporary(string file) =>
        System.IO.Path.GetFileName(file) is ['.', ..] name && name.EndsWith(".tmp", StringComparison.Ordinal);

    private static UserException Missing(string path) =>
        new($"{path}: no such take; 'longtake generate' makes one when its output ends in .take", usage: true);

    private static TakeDocument Read(string path)
    {
        var file = System.IO.Path.Combine(path, DocumentFile);
        if (!Directory.Exists(path))
            throw Missing(path);
        if (!File.Exists(file))
            throw new UserException($"{path}: no take: it has no {DocumentFile}");
        if (new FileInfo(file) is { Length: > MostBytes } large)
            throw new UserException($"{file}: not readable ({large.Length >> 20} MB; at most {MostBytes >> 20})");
        RequireFormat(file);
        var document = SealedJson.Read(file, TakeJson.Default.TakeDocument);
        return TakeProblems.Of(document).FirstOrDefault() is { } problem
            ? throw new UserException($"{file}: not a take that can be: {problem}")
            : document;
    }

    private static void RequireFormat(string file)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            if (
                json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("format", out var format)
                || format.ValueKind != JsonValueKind.Number
            )
                throw new UserException($"{file}: not the document of a take: it names no format");
            if (!format.TryGetInt32(out var number) || number != TakeDocument.CurrentFormat)
                throw new UserException(
                    $"{file}: format {format.GetRawText()}; this program reads format {TakeDocument.CurrentFormat}. A "
                        + "newer one may read it"
                );
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new UserException(
                $"{file}: not readable ({e.Message.ReplaceLineEndings(" ").TrimEnd('.')})",
                inner: e
            );
        }
    }
}
