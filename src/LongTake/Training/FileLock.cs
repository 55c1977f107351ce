namespace LongTake.Training;

/// <summary>Processes that take turns at something they share.</summary>
public static class FileLock
{
    /// <summary>
    /// Waits until no other process holds <paramref name="file"/>; held until disposed, or until this process ends,
    /// however it ends.
    /// </summary>
    public static IDisposable Take(string file, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        while (true)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException e) when (e.HResult is 11 or 35 or unchecked((int)0x80070020))
            {
                cancel.WaitHandle.WaitOne(200);
            }
        }
    }
}
