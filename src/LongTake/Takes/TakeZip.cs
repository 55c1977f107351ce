using System.IO.Compression;
using System.Text.RegularExpressions;

namespace LongTake.Takes;

/// <summary>A take in a single file, for sending: a zip of its folder, nothing in it compressed.</summary>
internal static partial class TakeZip
{
    private const int MostEntries = 100_000;

    // Equal takes have equal files.
    private static readonly DateTimeOffset always = new(2000, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes a take's document, latents and preview.</summary>
    public static void Pack(Take take, string path) => AtomicFile.Write(path, to =>
        {
            using var zip = new ZipArchive(to, ZipArchiveMode.Create, leaveOpen: true);
            string[] files =
            [
                "take.json",
                .. take.Files.Select(f => Path.GetRelativePath(take.Path, f)),
                "preview.png",
            ];
            foreach (var file in files.Where(f => File.Exists(Path.Combine(take.Path, f))))
            {
                var entry = zip.CreateEntry(file.Replace('\\', '/'), CompressionLevel.NoCompression);
                entry.LastWriteTime = always;
                using var into = entry.Open();
                using var from = File.OpenRead(Path.Combine(take.Path, file));
                from.CopyTo(into);
            }
        });

    /// <summary>
    /// Unpacks a take into an empty folder. What is not stored as it is, or is no file of a take, is refused before
    /// anything is written.
    /// </summary>
    /// <exception cref="UserException">It is no take, or damaged.</exception>
    public static void Unpack(string path, string folder)
    {
        try
        {
            using var zip = ZipFile.OpenRead(path);
            var (size, total) = (new FileInfo(path).Length, 0L);
            if (zip.Entries.Count > MostEntries)
                throw new UserException($"{path}: {zip.Entries.Count} entries; no take has that many");
            foreach (var entry in zip.Entries)
            {
                var name = SafetensorsHeader.Quote(entry.FullName);
                if (!Belongs().IsMatch(entry.FullName))
                    throw new UserException($"{path}: entry {name} is no file of a take");
                if (entry.IsEncrypted)
                    throw new UserException($"{path}: entry {name} is encrypted");
                if (entry.CompressedLength != entry.Length)
                    throw new UserException(
                        $"{path}: entry {name} is compressed; the files of a take are stored as they are (zip -0)"
                    );
                if ((total += entry.Length) > size)
                    throw new UserException($"{path}: its entries are larger than the file");
            }
            if (zip.Entries.DistinctBy(e => e.FullName).Count() != zip.Entries.Count)
                throw new UserException($"{path}: an entry is there twice");
            foreach (var entry in zip.Entries)
            {
                var to = Path.Combine(folder, entry.FullName);
                Directory.CreateDirectory(Path.GetDirectoryName(to)!);
                using var from = entry.Open();
                using var file = File.Create(to);
                Copy(from, file, entry.Length, path);
            }
        }
        catch (Exception e)
            when (e is InvalidDataException or IOException or NotSupportedException or ArgumentException)
        {
            throw new UserException($"{path}: no take that can be read ({e.Message.TrimEnd('.')})", inner: e);
        }
    }

    // A header may say less than there is.
    private static void Copy(Stream from, Stream to, long length, string path)
    {
        var buffer = new byte[1 << 16];
        for (int read; (read = from.Read(buffer)) > 0; length -= read)
        {
            if (read > length)
                throw new UserException($"{path}: an entry is longer than it says");
            to.Write(buffer, 0, read);
        }
        if (length > 0)
            throw new UserException($"{path}: an entry is shorter than it says");
    }

    [GeneratedRegex(@"^(take\.json|preview\.png|latents/[0-9a-f]{64}\.safetensors)\z")]
    private static partial Regex Belongs();
}
