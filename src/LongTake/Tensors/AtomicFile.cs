using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace LongTake.Tensors;

/// <summary>Files that are either the whole new content or the whole old one, whatever happens in between.</summary>
public static class AtomicFile
{
    private const int EnoSpc = 28,
        EDQuot = 122,
        DiskFull = unchecked((int)0x80070070);

    /// <summary>
    /// Runs <paramref name="write"/> on a temporary file beside <paramref name="path"/>, flushes it to the disk, then
    /// renames it over the path. After a failure the temporary is gone and the old file is as it was.
    /// </summary>
    /// <exception cref="UserException">The disk is full, the folder cannot be written, or another I/O
    /// error.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        var folder = Path.GetDirectoryName(full) ?? throw new UserException($"{path}: not a file name");
        var temporary = Path.Combine(folder, $".{Path.GetFileName(full)}.{Guid.NewGuid():N}.tmp");
        try
        {
            Directory.CreateDirectory(folder);
            using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 20))
            {
                write(file);
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, full, overwrite: true);
        }
        catch (Exception e)
        {
            Delete(temporary);
            if (e is IOException or UnauthorizedAccessException)
                throw Failed(path, e);
            throw;
        }
    }

    /// <summary>Writes a record as JSON, whole or not at all.</summary>
    public static void WriteJson<T>(string path, T value, JsonTypeInfo<T> info) =>
        Write(path, file => JsonSerializer.Serialize(file, value, info));

    /// <summary>
    /// Deletes what writers that were killed left unfinished in a folder and those below it. Files that were written to
    /// within <see cref="Unfinished"/> stay: another process may be at work on them.
    /// </summary>
    public static void Sweep(string folder)
    {
        if (!Directory.Exists(folder))
            return;
        foreach (
            var left in Directory.EnumerateFiles(
                folder,
                ".*.tmp",
                new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0 }
            )
        )
            if (File.GetLastWriteTimeUtc(left) < DateTime.UtcNow - Unfinished)
                Delete(left);
    }

    /// <summary>Longest time between two writes to a file that is still being made.</summary>
    public static readonly TimeSpan Unfinished = TimeSpan.FromMinutes(10);

    /// <summary>The error of a file that could not be written, with what to do about it.</summary>
    public static UserException Failed(string path, Exception e) =>
        new(
            e switch
            {
                IOException { HResult: EnoSpc or EDQuot or DiskFull } =>
                    $"{path}: the disk is full ({e.Message}). Free some space or write to another disk, then "
                        + $"run again.",
                UnauthorizedAccessException =>
                    $"{path}: may not be written ({e.Message}). Check the permissions or choose another folder.",
                _ => $"{path}: cannot be written ({e.Message}). Check that the disk is there and has space.",
            },
            inner: e
        );

    /// <summary>Deletes a file, if that is possible.</summary>
    internal static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }
}
