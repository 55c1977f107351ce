using System.Buffers.Binary;
using System.Text;

namespace LongTake.Tensors;

/// <summary>
/// Lets TorchSharp's native part load on systems whose libstdc++ is older than GCC 13's (Debian 12, Ubuntu 22.04). It
/// asks for the version GLIBCXX_3.4.32 of libstdc++, and for one symbol of it only, which the linker adds as a mark and
/// nothing calls. The ELF format can say of a version that it is needed weakly: the loader then goes on without it. So
/// two bytes are changed in a copy, which is loaded and deleted at once; neither the program's own file nor the package
/// cache, to which it may be linked, is touched, and any number of processes may do so.
/// </summary>
internal static class VersionNeeds
{
    private const string Mark = "GLIBCXX_3.4.32";
    private const ushort Weak = 2; // VER_FLG_WEAK
    private const uint VersionRequirements = 0x6ffffffe; // SHT_GNU_verneed

    private static ReadOnlySpan<byte> Elf => "\u007fELF\u0002\u0001"u8; // 64 bits, little end first

    /// <summary>Whether a loader's error is that the version is missing.</summary>
    public static bool Marked(string error) => error.Contains($"`{Mark}' not found", StringComparison.Ordinal);

    /// <summary>Loads a copy that needs the version weakly.</summary>
    public static IntPtr LoadCopy(string path, Func<string, IntPtr> load)
    {
        var image = File.ReadAllBytes(path);
        if (!Weaken(image, Mark))
            throw new UserException(
                $"'{path}' needs {Mark} of a newer libstdc++ (GCC 13) and cannot be adapted: its format is not known"
            );
        Exception? last = null;
        // The second is for systems that run nothing from the folder of temporary files.
        foreach (
            var folder in (string[])
                [
                    Path.GetTempPath(),
                    AppContext.BaseDirectory,
                    Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData),
                ]
        )
        {
            if (folder.Length == 0)
                continue;
            var copy = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(path)}-{Guid.NewGuid():N}.so");
            try
            {
                File.WriteAllBytes(copy, image);
                return load(copy);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or DllNotFoundException)
            {
                last = e;
            }
            finally
            {
                Remove(copy);
            }
        }
        throw new DllNotFoundException(last?.Message, last);
    }

    /// <summary>
    /// Whether a 64-bit ELF library ends before its own table says: to load it would end the process.
    /// </summary>
    internal static bool IsCutShort(string path)
    {
        Span<byte> head = stackalloc byte[64];
        using var file = File.OpenRead(path);
        if (file.ReadAtLeast(head, head.Length, throwOnEndOfStream: false) < head.Length)
            return true;
        return head.StartsWith(Elf) && Long(head, 40) + Short(head, 58) * Short(head, 60) > file.Length;
    }

    /// <summary>
    /// Marks each need of a version as weak in the image of a 64-bit little-endian ELF library; false when there is
    /// none.
    /// </summary>
    internal static bool Weaken(Span<byte> image, string version)
    {
        if (image.Length < 64 || !image.StartsWith(Elf))
            return false;
        try
        {
            var (table, size, count) = ((int)Long(image, 40), Short(image, 58), Short(image, 60));
            for (var i = 0; i < count; i++)
            {
                var section = image.Slice(table + i * size, size);
                if (Int(section, 4) != VersionRequirements)
                    continue;
                var names = image[(int)Long(image.Slice(table + (int)Int(section, 40) * size, size), 24)..];
                return Weaken(image[(int)Long(section, 24)..], names, (int)Int(section, 44), version);
            }
        }
        catch (ArgumentOutOfRangeException) { } // offsets that lead out of the file
        return false;
    }

    // Libraries (count at 2, first version at 8, next library at 12), each with a chain of versions (flags at 4, name
    // at 8, next at 12).
    private static bool Weaken(Span<byte> needs, ReadOnlySpan<byte> names, int libraries, string version)
    {
        var found = false;
        for (var i = 0; i < libraries; i++)
        {
            var entry = needs[(int)Int(needs, 8)..];
            for (var k = Short(needs, 2); k > 0; k--)
            {
                var name = names[(int)Int(entry, 8)..];
                if (Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]) == version)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(entry[4..], (ushort)(Short(entry, 4) | Weak));
                    found = true;
                }
                if (Int(entry, 12) == 0)
                    break;
                entry = entry[(int)Int(entry, 12)..];
            }
            if (Int(needs, 12) == 0)
                break;
            needs = needs[(int)Int(needs, 12)..];
        }
        return found;
    }

    private static ushort Short(ReadOnlySpan<byte> at, int offset) =>
        BinaryPrimitives.ReadUInt16LittleEndian(at[offset..]);

    private static uint Int(ReadOnlySpan<byte> at, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(at[offset..]);

    private static long Long(ReadOnlySpan<byte> at, int offset) => BinaryPrimitives.ReadInt64LittleEndian(at[offset..]);

    private static void Remove(string file)
    {
        try
        {
            File.Delete(file);
        }
        // it stays among the temporary files
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { }
    }
}
