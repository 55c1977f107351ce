using System.Text;

namespace LongTake.Tensors;

/// <summary>What lies where a large file should be, because the download went another way.</summary>
internal static class Impostor
{
    /// <summary>Bytes of a file's beginning that tell.</summary>
    public const int Start = 256;

    /// <summary>Refuses a Git LFS pointer and a web page, by a file's first bytes.</summary>
    /// <exception cref="UserException">It is one of them.</exception>
    public static void Refuse(string path, ReadOnlySpan<byte> start)
    {
        if (start.StartsWith("version https://git-lfs."u8))
        {
            var size = Encoding.UTF8.GetString(start).Split('\n').FirstOrDefault(l => l.StartsWith("size "))
                ?? "size ?";
            throw new UserException(
                $"{path}: a Git LFS pointer, not the file itself; its {size[5..].Trim()} bytes were not downloaded. "
                    + "Run 'git lfs pull' in its folder, or download the file."
            );
        }
        var text = Encoding.UTF8.GetString(start).TrimStart('\uFEFF', ' ', '\t', '\r', '\n');
        if (
            text.StartsWith("<!doctype html", StringComparison.OrdinalIgnoreCase)
            || text.StartsWith("<html", StringComparison.OrdinalIgnoreCase)
        )
            throw new UserException(
                $"{path}: a web page, not the file itself; the download failed or needs a login. Download it again."
            );
    }

    /// <summary>
    /// Refuses a Git LFS pointer and a web page, by path; a file that is not there or not readable is left to its
    /// reader.
    /// </summary>
    /// <exception cref="UserException">It is one of them.</exception>
    public static void Refuse(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            Span<byte> start = stackalloc byte[Start];
            Refuse(path, start[..file.ReadAtLeast(start, Start, throwOnEndOfStream: false)]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }
}
