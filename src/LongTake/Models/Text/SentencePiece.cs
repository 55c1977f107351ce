using System.Globalization;
using System.Text;

namespace LongTake.Models.Text;

/// <summary>
/// A SentencePiece unigram model (.model file): text to ids and back, exactly as the SentencePiece library does it.
/// Encoding is thread-safe.
/// </summary>
public sealed class SentencePiece : Vocabulary
{
    private const double UserDefinedLoss = 0.1;
    private const float UnknownLoss = 10;
    private readonly string name;
    private readonly SentencePieceFile file;
    private readonly PieceTrie pieces;
    private readonly PieceNormaliser normaliser;
    private readonly int[]? byteIds;

    // of the scores; the library, too, starts the highest there
    private readonly float least = float.MaxValue,
        most = 1.17549435e-38f;

    /// <summary>Reads a .model file.</summary>
    public SentencePiece(string path)
        : this(ReadFile(path), path) { }

    private SentencePiece(byte[] bytes, string name)
    {
        this.name = name;
        try
        {
            file = new(bytes);
            if (file.SpaceBehind)
                throw new InvalidDataException("it puts spaces behind words, which is not supported");
            (Unknown, byteIds) = (Find(SentencePieceFile.Kind.Unknown), Bytes());
            (Pad, Eos) = (Control(file.PadPiece), Control(file.EosPiece));
            pieces = new(
                bytes,
                Places(k =>
                    k
                        is SentencePieceFile.Kind.Normal
                            or SentencePieceFile.Kind.UserDefined
                            or SentencePieceFile.Kind.Unused
                )
            );
            normaliser = new(file, new(bytes, Places(k => k is SentencePieceFile.Kind.UserDefined)));
        }
        catch (InvalidDataException e)
        {
            throw Unreadable(e);
        }
        foreach (var piece in file.Pieces.Where(p => p.Kind == SentencePieceFile.Kind.Normal))
            (least, most) = (Math.Min(least, piece.Score), Math.Max(most, piece.Score));
    }

    /// <summary>Reads the bytes of a SentencePiece .model file.</summary>
    public static new SentencePiece Read(ReadOnlySpan<byte> model) => Parse(model, "in memory");

    internal static SentencePiece Parse(ReadOnlySpan<byte> model, string name) => new(model.ToArray(), name);

    /// <inheritdoc/>
    public override int Count => file.Pieces.Count;

    /// <inheritdoc/>
    public override int Pad { get; }

    /// <inheritdoc/>
    public override int Eos { get; }

    /// <inheritdoc/>
    public override int Unknown { get; }

    /// <inheritdoc/>
    public override int[] Encode(string text)
    {
        byte[] normal;
        try
        {
            normal = normaliser.Normalise(Encoding.UTF8.GetBytes(text));
        }
        catch (InvalidDataException e)
        {
            throw Unreadable(e);
        }
        var ids = new List<int>();
        var unknown = false;
        foreach (var (start, end, id) in Best(normal))
        {
            var wasUnknown = unknown;
            unknown = id == Unknown;
            if (unknown && byteIds is not null)
                for (var i = start; i < end; i++)
                    ids.Add(byteIds[normal[i]]);
            else if (!unknown || !wasUnknown)
                ids.Add(id); // a run of unknown characters is one piece
        }
        return [.. ids];
    }

    /// <inheritdoc/>
    public override string Decode(ReadOnlySpan<int> ids)
    {
        var text = new List<byte>();
        var bytes = new List<byte>();
        // the space before a text is dropped; where runs of spaces count, only one
        var (first, dropped) = (true, false);
        foreach (var id in ids)
        {
            if (id < 0 || id >= Count)
                throw new ArgumentOutOfRangeException(
                    nameof(ids),
                    $"id {id} is not one of the {Count} of tokenizer '{name}'"
                );
            var kind = file.Pieces[id].Kind;
            if (kind == SentencePieceFile.Kind.Byte)
            {
                bytes.Add(ByteOf(id));
                continue;
            }
            Flush(bytes, text);
            first &= !dropped && text.Count == 0;
            var piece = file.Text(id);
            dropped = false;
            if (kind == SentencePieceFile.Kind.Control)
                continue;
            if (kind == SentencePieceFile.Kind.Unknown)
                text.AddRange(Encoding.UTF8.GetBytes(file.UnknownText));
            else
            {
                if (first && (file.AddPrefix || file.RemoveSpaces) && piece.StartsWith(Mark))
                {
                    piece = piece[Mark.Length..];
                    dropped = !file.RemoveSpaces;
                }
                AddSpaced(text, piece);
            }
        }
        Flush(bytes, text);
        return Encoding.UTF8.GetString(text.ToArray());
    }

    private static ReadOnlySpan<byte> Mark => "\u2581"u8;

    private static void AddSpaced(List<byte> text, ReadOnlySpan<byte> piece)
    {
        while (piece.IndexOf(Mark) is var at and >= 0)
        {
            text.AddRange(piece[..at]);
            text.Add((byte)' ');
            piece = piece[(at + Mark.Length)..];
        }
        text.AddRange(piece);
    }

    // Each byte that belongs to no character becomes U+FFFD.
    private static void Flush(List<byte> bytes, List<byte> text)
    {
        var rest = bytes.ToArray().AsSpan();
        bytes.Clear();
        while (rest.Length > 0)
        {
            var valid = Rune.DecodeFromUtf8(rest, out _, out var length) == System.Buffers.OperationStatus.Done;
            if (!valid)
                length = 1;
            text.AddRange(valid ? rest[..length] : "\uFFFD"u8);
            rest = rest[length..];
        }
    }

    // The way through the text whose pieces' scores add up to the most: for each place the best piece that ends there.
    private List<(int Start, int End, int Id)> Best(byte[] text)
    {
        var ends = new (float Score, int Start, int Id)[text.Length + 1];
        Array.Fill(ends, (0, -1, -1));
        for (var at = 0; at < text.Length; )
        {
            var before = ends[at].Score;
            var character = Math.Min(LengthOf(text[at]), text.Length - at);
            var alone = false;
            foreach (var (length, id) in pieces.At(text.AsSpan(at)))
            {
                var piece = file.Pieces[id];
                if (piece.Kind == SentencePieceFile.Kind.Unused)
                    continue;
                Offer(
                    ref ends[at + length],
                    (piece.Kind == SentencePieceFile.Kind.UserDefined ? length * most - UserDefinedLoss : piece.Score)
                        + before,
                    at,
                    id
                );
                alone |= length == character;
            }
            if (!alone)
                Offer(ref ends[at + character], least - UnknownLoss + before, at, Unknown);
            at += character;
        }
        var way = new List<(int, int, int)>();
        for (var end = text.Length; end > 0; end = ends[end].Start)
            way.Add((ends[end].Start, end, ends[end].Id));
        way.Reverse();
        return way;
    }

    private static void Offer(ref (float Score, int Start, int Id) end, double score, int start, int id)
    {
        if (end.Start < 0 || score > end.Score)
            end = ((float)score, start, id);
    }

    // Bytes of a character, by its first.
    private static int LengthOf(byte first) =>
        first < 0xc0 ? 1
        : first < 0xe0 ? 2
        : first < 0xf0 ? 3
        : 4;

    private int Find(SentencePieceFile.Kind kind)
    {
        var found = file.Pieces.FindIndex(p => p.Kind == kind);
        if (found < 0 || file.Pieces.FindIndex(found + 1, p => p.Kind == kind) >= 0)
            throw new InvalidDataException("it has no piece for what is unknown, or several");
        return found;
    }

    private int Control(string piece)
    {
        var text = Encoding.UTF8.GetBytes(piece);
        for (var id = 0; id < Count; id++)
            if (file.Pieces[id].Kind == SentencePieceFile.Kind.Control && file.Text(id).SequenceEqual(text))
                return id;
        return -1;
    }

    private IEnumerable<(int Start, int Length, int Id)> Places(Func<SentencePieceFile.Kind, bool> wanted)
    {
        for (var id = 0; id < Count; id++)
            if (wanted(file.Pieces[id].Kind))
                yield return (file.Pieces[id].Start, file.Pieces[id].Length, id);
    }

    // The ids of the 256 pieces of one byte; null where the model has none.
    private int[]? Bytes()
    {
        var ids = new int[256];
        Array.Fill(ids, -1);
        for (var id = 0; id < Count; id++)
            if (file.Pieces[id].Kind == SentencePieceFile.Kind.Byte)
                ids[ByteOf(id)] = id;
        if (!file.ByteFallback)
            return ids.Any(i => i >= 0)
                ? throw new InvalidDataException("it has pieces of one byte, but does not use them")
                : null;
        return ids.Contains(-1) ? throw new InvalidDataException("of its pieces of one byte some are missing") : ids;
    }

    // Written as <0x0A>.
    private byte ByteOf(int id)
    {
        var text = Encoding.UTF8.GetString(file.Text(id));
        return
            text is ['<', '0', 'x', _, _, '>']
            && byte.TryParse(
                text.AsSpan(3, 2),
                NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture,
                out var value
            )
            ? value
            : throw new InvalidDataException($"piece {id} is no byte");
    }

    private UserException Unreadable(Exception e) =>
        new($"tokenizer '{name}' cannot be read as a SentencePiece model: {e.Message}", inner: e);
}
