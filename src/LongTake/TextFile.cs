using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace LongTake;

/// <summary>
/// Texts that people write: UTF-8, or UTF-16 and UTF-32 that begin with their byte order mark. Bytes that are none of
/// these are named, with their offset; no encoding is guessed, for a wrong guess is another text.
/// </summary>
public static class TextFile
{
    private delegate OperationStatus Next(ReadOnlySpan<byte> bytes, out Rune rune, out int used);

    // The longer marks first: that of UTF-16 begins that of UTF-32.
    private static readonly (Encoding Encoding, byte[] Mark, Next Next)[] encodings =
    [
        (new UTF32Encoding(false, true), [0xFF, 0xFE, 0, 0], (b, out r, out n) => Utf32(b, false, out r, out n)),
        (new UTF32Encoding(true, true), [0, 0, 0xFE, 0xFF], (b, out r, out n) => Utf32(b, true, out r, out n)),
        (Encoding.Unicode, [0xFF, 0xFE], (b, out r, out n) => Utf16(b, false, out r, out n)),
        (Encoding.BigEndianUnicode, [0xFE, 0xFF], (b, out r, out n) => Utf16(b, true, out r, out n)),
        (Encoding.UTF8, [0xEF, 0xBB, 0xBF], Rune.DecodeFromUtf8),
        (Encoding.UTF8, [], Rune.DecodeFromUtf8),
    ];

    /// <summary>All of a text, without its byte order mark.</summary>
    /// <exception cref="UserException">Bytes that are no text: which, and where.</exception>
    public static string Read(string path) => Decode(File.ReadAllBytes(path), path);

    /// <summary>The text of a file's bytes; <paramref name="name"/> names the file in messages.</summary>
    /// <exception cref="UserException">Bytes that are no text: which, and where.</exception>
    public static string Decode(byte[] bytes, string name)
    {
        using var file = new MemoryStream(bytes);
        return Checked(file, name).ReadToEnd();
    }

    /// <summary>Whether bytes begin a text with these words, in any encoding that is read.</summary>
    public static bool Begins(ReadOnlySpan<byte> bytes, string words)
    {
        foreach (var (encoding, mark, _) in encodings)
            if (bytes.StartsWith(mark) && bytes[mark.Length..].StartsWith(encoding.GetBytes(words)))
                return true;
        return false;
    }

    /// <summary>The lines of a text.</summary>
    /// <exception cref="UserException">Bytes that are no text: which, and where.</exception>
    public static string[] Lines(string path) => Read(path).Split(["\r\n", "\n", "\r"], StringSplitOptions.None);

    /// <summary>A reader of a text that may be large; all of it is checked first.</summary>
    /// <exception cref="UserException">Bytes that are no text: which, and where.</exception>
    public static StreamReader Open(string path)
    {
        var file = File.OpenRead(path);
        try
        {
            return Checked(file, path);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static StreamReader Checked(Stream file, string path)
    {
        var buffer = new byte[1 << 16];
        var held = file.ReadAtLeast(buffer, 4, throwOnEndOfStream: false);
        var (encoding, mark, next) = encodings.First(e => buffer.AsSpan(0, held).StartsWith(e.Mark));
        for (long at = mark.Length, first = 0; ; )
        {
            held += file.ReadAtLeast(buffer.AsSpan(held), buffer.Length - held, throwOnEndOfStream: false);
            var last = held < buffer.Length;
            var here = (int)(at - first);
            while (here < held && (last || held - here >= 4))
            {
                var status = next(buffer.AsSpan(here, held - here), out var rune, out var used);
                if (status != OperationStatus.Done || rune.Value == 0 || IsShift(buffer.AsSpan(here, held - here)))
                    throw new UserException($"{path}: {Fault(buffer[here], first + here, encoding)}");
                here += used;
            }
            if (last)
                break;
            buffer.AsSpan(here, held - here).CopyTo(buffer);
            (held, first) = (held - here, first + here);
            at = first;
        }
        file.Position = mark.Length;
        return new StreamReader(file, encoding, detectEncodingFromByteOrderMarks: false);
    }

    // ISO-2022-JP and its like are all ASCII: an escape and $ or ( changes what the bytes after it mean.
    private static bool IsShift(ReadOnlySpan<byte> bytes) => bytes is [0x1B, (byte)'$' or (byte)'(', ..];

    private static string Fault(byte value, long offset, Encoding encoding)
    {
        var known =
            value == 0 ? "UTF-16 or UTF-32 without a byte order mark?"
            : value == 0x1B ? "ISO-2022-JP?"
            : "Latin-1, Windows-1252, Shift-JIS, GBK?";
        return $"byte 0x{value:X2} at offset {offset} is no {encoding.WebName.ToUpperInvariant()} text "
            + $"({known}); save the file as UTF-8";
    }

    private static OperationStatus Utf16(ReadOnlySpan<byte> bytes, bool big, out Rune rune, out int used)
    {
        (rune, used) = (Rune.ReplacementChar, 2);
        if (bytes.Length < 2)
            return OperationStatus.InvalidData;
        var first = Unit(bytes);
        if (Rune.TryCreate(first, out rune))
            return OperationStatus.Done;
        used = 4;
        return bytes.Length >= 4 && Rune.TryCreate(first, Unit(bytes[2..]), out rune)
            ? OperationStatus.Done
            : OperationStatus.InvalidData;

        char Unit(ReadOnlySpan<byte> b) =>
            (char)(big ? BinaryPrimitives.ReadUInt16BigEndian(b) : BinaryPrimitives.ReadUInt16LittleEndian(b));
    }

    private static OperationStatus Utf32(ReadOnlySpan<byte> bytes, bool big, out Rune rune, out int used)
    {
        (rune, used) = (Rune.ReplacementChar, 4);
        return
            bytes.Length >= 4
            && Rune.TryCreate(
                big ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt32LittleEndian(bytes),
                out rune
            )
            ? OperationStatus.Done
            : OperationStatus.InvalidData;
    }
}
