namespace LongTake.Tensors;

/// <summary>
/// Processes that take turns at something they share. A lock is held until it is disposed, or until its process ends,
/// however it ends.
/// </summary>
public static class FileLock
{
    /// <summary>Waits until no other process holds <paramref name="file"/>.</summary>
    public static IDisposable Take(string file, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            if (Try(file) is { } held)
                return held;
            cancel.WaitHandle.WaitOne(200);
        }
    }

    /// <summary>The lock of a file in a folder that is there, or null when another process holds it.</summary>
    /// <exception cref="IOException">The file cannot be made.</exception>
    public static IDisposable? Try(string file, FileOptions options = FileOptions.None)
    {
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, options);
        }
        // "would block" on Linux, on macOS, "sharing violation" on Windows
        catch (IOException e) when (e.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            return null;
        }
    }

    /// <summary>
    /// Keeps other processes from making the same output, a file or a folder: a hidden file beside it, which goes when
    /// the lock does. Makes the folder that the output lies in.
    /// </summary>
    /// <exception cref="UserException">Another process is making it, or the folder cannot be written.</exception>
    public static IDisposable Output(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        try
        {
            var folder = Path.GetDirectoryName(full)!;
            Directory.CreateDirectory(folder);
            return Try(Path.Combine(folder, $".{Path.GetFileName(full)}.lock"), FileOptions.DeleteOnClose)
                ?? throw new UserException($"{path}: another process is making it. Wait for it, or give another name.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.Failed(path, e);
        }
    }
}
