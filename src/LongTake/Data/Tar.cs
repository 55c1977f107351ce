using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;

namespace LongTake.Data;

/// <summary>
/// WebDataset tars: samples as members that share a name, a.mp4 with a.txt or a.json. They are unpacked once, beside
/// the set.
/// </summary>
internal static class Tar
{
    public static bool Is(string path) =>
        path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)
        || path.EndsWith(".tar.gz", StringComparison.OrdinalIgnoreCase)
        || path.EndsWith(".tgz", StringComparison.OrdinalIgnoreCase);

    /// <summary>
    /// Unpacks a tar into a folder of its own, unless it was; that folder. Links, devices and members that climb out
    /// are refused.
    /// </summary>
    /// <exception cref="UserException">Not a tar, cut off, or the disk is full.</exception>
    public static string Unpack(string path, string into, List<Refused> refused, CancellationToken cancel)
    {
        var info = new FileInfo(path);
        var key = Convert.ToHexStringLower(
            SHA256.HashData(Encoding.UTF8.GetBytes($"{info.FullName}\0{info.Length}\0{info.LastWriteTimeUtc.Ticks}"))
        )[..16];
        var target = Path.Combine(Path.GetFullPath(into), $"{Path.GetFileName(path).Split('.')[0]}-{key}");
        var list = target + ".refused";
        if (!Directory.Exists(target))
        {
            var bad = new List<Refused>();
            var part = $"{target}.{Guid.NewGuid():N}.part";
            try
            {
                Directory.CreateDirectory(part);
                Extract(path, part, bad, cancel);
                AtomicFile.Write(list, s =>
                    s.Write(Encoding.UTF8.GetBytes(string.Concat(bad.Select(b => $"{b.Path}\t{b.Rule}\t{b.Reason}\n"))))
                );
                Directory.Move(part, target);
            }
            // another process was first
            catch (IOException) when (Directory.Exists(target))
            {
                Directory.Delete(part, recursive: true);
            }
            catch (Exception e)
            {
                if (Directory.Exists(part))
                    Directory.Delete(part, recursive: true);
                if (e is InvalidDataException or EndOfStreamException)
                    throw new UserException($"{path}: not a whole tar file: {e.Message}", inner: e);
                if (e is IOException or UnauthorizedAccessException)
                    throw AtomicFile.Failed(target, e);
                throw;
            }
        }
        if (File.Exists(list))
            foreach (var line in File.ReadLines(list))
                if (line.Split('\t') is [var member, var rule, var reason])
                    refused.Add(new(member, rule, reason));
        return target;
    }

    private static void Extract(string path, string into, List<Refused> bad, CancellationToken cancel)
    {
        using var file = File.OpenRead(path);
        using var stream = path.EndsWith(".tar", StringComparison.OrdinalIgnoreCase)
            ? file
            : (Stream)new GZipStream(file, CompressionMode.Decompress);
        using var tar = new TarReader(stream);
        while (tar.GetNextEntry() is { } entry)
        {
            cancel.ThrowIfCancellationRequested();
            var shown = $"{path}:{entry.Name.ReplaceLineEndings(" ").Replace('\t', ' ')}";
            if (entry.EntryType is TarEntryType.Directory or TarEntryType.GlobalExtendedAttributes)
                continue;
            if (entry.EntryType is TarEntryType.SymbolicLink or TarEntryType.HardLink)
                bad.Add(new(shown, "link", "a link in a tar; links are not followed"));
            else if (
                entry.EntryType
                is not (TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile)
            )
                bad.Add(new(shown, "video", $"a {entry.EntryType} in a tar, not a file"));
            else
            {
                // names of other encodings would be the same name
                if (entry.Name.Contains('\uFFFD'))
                {
                    bad.Add(new(shown, "manifest", "a member whose name is not UTF-8; pack it with UTF-8 names"));
                    continue;
                }
                var target = Path.GetFullPath(Path.Combine(into, entry.Name));
                if (!target.StartsWith(into + Path.DirectorySeparatorChar, StringComparison.Ordinal))
                {
                    bad.Add(new(shown, "outside", "a member whose path climbs out of the tar"));
                    continue;
                }
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                entry.ExtractToFile(target, overwrite: true);
            }
        }
    }
}
