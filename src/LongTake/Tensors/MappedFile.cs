using System.IO.MemoryMappedFiles;

namespace LongTake.Tensors;

/// <summary>
/// A file as memory, read only. It must not be changed in place while open; replacing it by rename is safe. What is
/// read twice comes from the page cache, which all processes of a machine share.
/// </summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;
    private byte* start;

    private MappedFile(string path, MemoryMappedFile map, long length)
    {
        (Path, Length, this.map) = (path, length, map);
        view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
    }

    /// <summary>The path it was opened with.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Maps a file; null when it has fewer than <paramref name="least"/> bytes.</summary>
    /// <exception cref="UserException">No such file, not readable, or a Git LFS pointer in its place.</exception>
    public static MappedFile? Open(string path, int least, string kind)
    {
        Impostor.Refuse(path);
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 0);
            var length = file.Length;
            if (length < least)
            {
                file.Dispose();
                return null;
            }
            return new MappedFile(
                path,
                MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, default, leaveOpen: false),
                length
            );
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserException($"{path}: no such file. Give a {kind} file.", inner: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read ({e.Message}).", inner: e);
        }
    }

    /// <summary>
    /// Where byte <paramref name="offset"/> lies, of which <paramref name="length"/> bytes are inside the file.
    /// </summary>
    public byte* At(long offset, long length)
    {
        ObjectDisposedException.ThrowIf(start == null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        return start + offset;
    }

    /// <summary>Bytes of the file, valid until it is disposed.</summary>
    public ReadOnlySpan<byte> Span(long offset, int length) => new(At(offset, length), length);

    /// <summary>Unmaps the file; spans and pointers into it are dead.</summary>
    public void Dispose()
    {
        if (start == null)
            return;
        start = null;
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        map.Dispose();
    }
}
