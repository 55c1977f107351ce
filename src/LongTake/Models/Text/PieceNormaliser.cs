using System.Buffers.Binary;

namespace LongTake.Models.Text;

/// <summary>
/// Text as a SentencePiece model wants it: characters replaced by its table (Unicode's NFKC with a few rules more),
/// spaces joined and marked. The table is a trie in one array, as the library Darts writes it, over what is replaced,
/// and the replacements after it.
/// </summary>
internal sealed class PieceNormaliser
{
    private const int LongestReplacement = 1024; // NFKC's longest is 33 bytes
    private static ReadOnlySpan<byte> Mark => "\u2581"u8;
    private readonly SentencePieceFile file;
    private readonly PieceTrie kept;
    private readonly uint[] units = [];
    private readonly byte[] replacements = [];

    /// <summary>The normaliser of a model; user-defined pieces stay as they are.</summary>
    public PieceNormaliser(SentencePieceFile file, PieceTrie kept)
    {
        (this.file, this.kept) = (file, kept);
        var map = file.CharacterMap.Span;
        if (map.Length == 0)
            return;
        var size = map.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(map);
        if (size == 0 || size % 4 != 0 || size >= map.Length - 4)
            throw new InvalidDataException("its normaliser's table is damaged");
        units = new uint[size / 4];
        for (var i = 0; i < units.Length; i++)
            units[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + 4 * i)..]);
        replacements = map[(4 + (int)size)..].ToArray();
    }

    /// <summary>The text normalised, in UTF-8.</summary>
    public byte[] Normalise(ReadOnlySpan<byte> text)
    {
        var result = new List<byte>(text.Length + text.Length / 4 + 8);
        if (file.RemoveSpaces)
        {
            while (text.Length > 0)
            {
                var first = Replace(text, out var length);
                if (!first.SequenceEqual(" "u8))
                    break;
                text = text[length..];
            }
        }
        if (text.Length == 0)
            return [];
        var space = file.EscapeSpaces ? Mark : " "u8;
        if (file.AddPrefix && !file.SpaceBehind)
            result.AddRange(space);
        var afterSpace = file.RemoveSpaces;
        while (text.Length > 0)
        {
            var piece = Replace(text, out var length);
            while (afterSpace && piece.StartsWith(" "u8))
                piece = piece[1..];
            foreach (var b in piece)
            {
                if (b == ' ')
                    result.AddRange(space);
                else
                    result.Add(b);
            }
            if (piece.Length > 0)
                afterSpace = piece[^1] == ' ';
            if (!file.RemoveSpaces)
                afterSpace = false;
            text = text[length..];
        }
        if (file.RemoveSpaces)
            while (result.Count >= space.Length && Ends(result, space))
                result.RemoveRange(result.Count - space.Length, space.Length);
        if (file.AddPrefix && file.SpaceBehind)
            result.AddRange(space);
        return [.. result];
    }

    private static bool Ends(List<byte> text, ReadOnlySpan<byte> with)
    {
        for (var i = 0; i < with.Length; i++)
            if (text[text.Count - with.Length + i] != with[i])
                return false;
        return true;
    }

    // What stands for the longest beginning of a text that is replaced or kept whole; else for its first character,
    // itself.
    private ReadOnlySpan<byte> Replace(ReadOnlySpan<byte> text, out int length)
    {
        length = 0;
        foreach (var match in kept.At(text))
            length = match.Length;
        if (length > 0)
            return text[..length];
        var replacement = Longest(text, out length);
        if (length > 0)
            return replacement;
        return System.Text.Rune.DecodeFromUtf8(text, out _, out length) == System.Buffers.OperationStatus.Done
            ? text[..length]
            : "\uFFFD"u8[..(3 * (length = 1))];
    }

    private ReadOnlySpan<byte> Longest(ReadOnlySpan<byte> text, out int length)
    {
        length = 0;
        var found = -1L;
        if (units.Length == 0)
            return default;
        var at = Offset(units[0]);
        for (var i = 0; i < text.Length; i++)
        {
            at ^= text[i];
            // a node carries its byte; one with the highest bit is a value
            if (at >= units.Length || (units[at] & 0x800000ff) != text[i])
                break;
            var unit = units[at];
            at ^= Offset(unit);
            if ((unit & 0x100) == 0)
                continue;
            if (at >= units.Length)
                throw Damaged();
            (found, length) = (units[at] & 0x7fffffff, i + 1);
        }
        if (found < 0)
            return default;
        if (found >= replacements.Length)
            throw Damaged();
        var rest = replacements.AsSpan((int)found);
        var end = rest.IndexOf((byte)0);
        return end is >= 0 and <= LongestReplacement ? rest[..end] : throw Damaged();
    }

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private static InvalidDataException Damaged() => new("its normaliser's table is damaged");
}
