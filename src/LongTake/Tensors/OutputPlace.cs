namespace LongTake.Tensors;

/// <summary>Finds out before any work whether its result can be written where it is wanted.</summary>
public static class OutputPlace
{
    /// <summary>
    /// A file can be written at this path, and its disk has room for <paramref name="bytes"/>. Leaves nothing behind.
    /// </summary>
    /// <exception cref="UserException">It cannot: a folder has that name, the folder is missing and cannot be made, is
    /// read-only or full, or the path begins with a home folder that no shell wrote out.</exception>
    public static void RequireFile(string path, long bytes = 0)
    {
        var full = Full(path);
        if (Directory.Exists(full) || Path.EndsInDirectorySeparator(path))
            throw new UserException($"{path}: is a folder; give the name of a file in it", usage: true);
        Try(path, Path.GetDirectoryName(full)!, Path.GetFileName(full), bytes);
    }

    /// <summary>Files can be written into this folder, which need not be there. Leaves nothing behind.</summary>
    /// <exception cref="UserException">They cannot, as for <see cref="RequireFile"/>.</exception>
    public static void RequireFolder(string path) => Try(path, Full(path), "", 0);

    private static string Full(string path)
    {
        var first = path.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar)[0];
        if (first.StartsWith('~') && (first == "~" || first.Length < path.Length))
            throw new UserException(
                $"{path}: '{first}' is a home folder only where a shell writes it out; give the whole path, or "
                    + $"{Path.Combine(".", path)} for a folder that is called '{first}'",
                usage: true
            );
        if (path.Length == 0 || path.Contains('\0'))
            throw new UserException($"'{path.Replace('\0', '?')}': not a name for an output; give a path", usage: true);
        return Path.GetFullPath(path);
    }

    // What is written first is a hidden file beside the result (AtomicFile): the longest name, and no other process's.
    private static void Try(string path, string folder, string name, long bytes)
    {
        while (!Directory.Exists(folder))
        {
            if (File.Exists(folder) || new FileInfo(folder).LinkTarget is not null)
                throw new UserException($"{path}: {folder} is there and no folder; give another place", usage: true);
            folder = Path.GetDirectoryName(folder)!;
        }
        var trial = Path.Combine(folder, $".{name}.{Guid.NewGuid():N}.tmp");
        try
        {
            using (var file = new FileStream(trial, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                file.Write(new byte[4096]);
                file.Flush(flushToDisk: true);
            }
            if (bytes > 0 && Free(folder) is var free && free < bytes)
                throw new UserException(
                    $"{path}: the disk is full: {free / 1e6:0.#} MB are free and at least {bytes / 1e6:0.#} MB needed. "
                        + "Free some space or write to another disk."
                );
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw AtomicFile.Failed(path, e);
        }
        finally
        {
            AtomicFile.Delete(trial);
        }
    }

    // A share of a Windows network is no drive, and says nothing.
    private static long Free(string folder)
    {
        try
        {
            return new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(folder)! : folder).AvailableFreeSpace;
        }
        catch (ArgumentException)
        {
            return long.MaxValue;
        }
    }
}
