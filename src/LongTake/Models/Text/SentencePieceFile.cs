using System.Buffers.Binary;
using System.Text;

namespace LongTake.Models.Text;

/// <summary>
/// What a SentencePiece .model file says: a message of Google's protocol buffers, of which the fields used here are
/// read. What is wrong with it is an <see cref="InvalidDataException"/>.
/// </summary>
internal sealed class SentencePieceFile
{
    /// <summary>What a piece is, as the file counts.</summary>
    public enum Kind
    {
        Normal = 1,
        Unknown = 2,
        Control = 3,
        UserDefined = 4,
        Unused = 5,
        Byte = 6,
    }

    /// <summary>A piece: its text in <see cref="Bytes"/>, the logarithm of its probability, what it is.</summary>
    public readonly record struct Piece(int Start, int Length, float Score, Kind Kind);

    private static readonly string[] kinds = ["none", "unigram", "BPE", "word", "character"];
    private int model = 1;

    /// <summary>Reads the bytes of a file, which are kept.</summary>
    public SentencePieceFile(byte[] bytes)
    {
        Bytes = bytes;
        foreach (var field in new Message(bytes, 0, bytes.Length))
        {
            if (field is { Number: 1, Type: 2 })
                Pieces.Add(ReadPiece(field));
            else if (field is { Number: 2, Type: 2 })
                ReadTrainer(field);
            else if (field is { Number: 3, Type: 2 })
                ReadNormaliser(field);
        }
        if (Pieces.Count == 0)
            throw new InvalidDataException("it holds no pieces");
        if (model != 1)
            throw new InvalidDataException(
                $"it is a {(model is > 1 and < 5 ? kinds[model] : $"(type {model})")} model, but only unigram "
                    + $"models are read"
            );
    }

    /// <summary>The file.</summary>
    public byte[] Bytes { get; }

    /// <summary>The pieces; a piece's index is its id.</summary>
    public List<Piece> Pieces { get; } = [];

    /// <summary>The normaliser's table as the file holds it; empty where text is not changed.</summary>
    public ReadOnlyMemory<byte> CharacterMap { get; private set; }

    /// <summary>A space is put before the text.</summary>
    public bool AddPrefix { get; private set; } = true;

    /// <summary>Runs of spaces become one, those at both ends go.</summary>
    public bool RemoveSpaces { get; private set; } = true;

    /// <summary>A space is written as U+2581.</summary>
    public bool EscapeSpaces { get; private set; } = true;

    /// <summary>The dummy space and the spaces of words are behind them, not before.</summary>
    public bool SpaceBehind { get; private set; }

    /// <summary>What is unknown is split into pieces of one byte.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>The text of an unknown piece.</summary>
    public string UnknownText { get; private set; } = " \u2047 ";

    /// <summary>The piece that ends a text.</summary>
    public string EosPiece { get; private set; } = "</s>";

    /// <summary>The padding piece.</summary>
    public string PadPiece { get; private set; } = "<pad>";

    /// <summary>A piece's text.</summary>
    public ReadOnlySpan<byte> Text(int id) => Bytes.AsSpan(Pieces[id].Start, Pieces[id].Length);

    private Piece ReadPiece(Field piece)
    {
        var (start, length, score, kind) = (0, 0, 0f, Kind.Normal);
        foreach (var field in piece.Inside(Bytes))
        {
            if (field is { Number: 1, Type: 2 })
                (start, length) = (field.Start, field.Length);
            else if (field is { Number: 2, Type: 5 })
                score = BitConverter.UInt32BitsToSingle((uint)field.Value);
            else if (field is { Number: 3, Type: 0 })
                kind = (Kind)field.Value;
        }
        if (length == 0)
            throw new InvalidDataException($"piece {Pieces.Count} is empty");
        if (!Enum.IsDefined(kind))
            throw new InvalidDataException($"piece {Pieces.Count} is of an unknown type {(int)kind}");
        return new(start, length, score, kind);
    }

    private void ReadTrainer(Field trainer)
    {
        foreach (var field in trainer.Inside(Bytes))
        {
            switch (field.Number, field.Type)
            {
                case (3, 0):
                    model = (int)field.Value;
                    break;
                case (24, 0):
                    SpaceBehind = field.Value != 0;
                    break;
                case (35, 0):
                    ByteFallback = field.Value != 0;
                    break;
                case (44, 2):
                    UnknownText = String(field);
                    break;
                case (47, 2):
                    EosPiece = String(field);
                    break;
                case (48, 2):
                    PadPiece = String(field);
                    break;
                default:
                    break;
            }
        }
    }

    private void ReadNormaliser(Field normaliser)
    {
        foreach (var field in normaliser.Inside(Bytes))
        {
            switch (field.Number, field.Type)
            {
                case (2, 2):
                    CharacterMap = Bytes.AsMemory(field.Start, field.Length);
                    break;
                case (3, 0):
                    AddPrefix = field.Value != 0;
                    break;
                case (4, 0):
                    RemoveSpaces = field.Value != 0;
                    break;
                case (5, 0):
                    EscapeSpaces = field.Value != 0;
                    break;
                default:
                    break;
            }
        }
    }

    private string String(Field field) => Encoding.UTF8.GetString(Bytes, field.Start, field.Length);

    /// <summary>
    /// A field: its number, how it is stored (0 and 5 as a number, 2 as a byte string), its value or place.
    /// </summary>
    private readonly record struct Field(int Number, int Type, ulong Value, int Start, int Length)
    {
        public Message Inside(byte[] bytes) => new(bytes, Start, Start + Length);
    }

    /// <summary>The fields of a message, one after another.</summary>
    private struct Message(byte[] bytes, int at, int end)
    {
        public readonly Message GetEnumerator() => this;

        public Field Current { get; private set; }

        public bool MoveNext()
        {
            if (at >= end)
                return false;
            var key = Number();
            var (number, type) = (key >> 3 <= int.MaxValue ? (int)(key >> 3) : 0, (int)(key & 7));
            if (number == 0)
                throw new InvalidDataException("a field has no number");
            switch (type)
            {
                case 0:
                    Current = new(number, type, Number(), 0, 0);
                    break;
                case 1:
                    Current = new(number, type, 0, Take(8), 8);
                    break;
                case 2:
                    var length = Number();
                    if (length > int.MaxValue)
                        throw CutShort();
                    Current = new(number, type, 0, Take((int)length), (int)length);
                    break;
                case 5:
                    Current = new(number, type, BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(Take(4))), 0, 0);
                    break;
                default:
                    throw new InvalidDataException($"a field is of an unknown kind {type}");
            }
            return true;
        }

        private int Take(int length)
        {
            if (length > end - at)
                throw CutShort();
            at += length;
            return at - length;
        }

        // Seven bits a byte, the lowest first; the highest bit says that more follow.
        private ulong Number()
        {
            var value = 0UL;
            for (var shift = 0; shift < 64; shift += 7)
            {
                var b = bytes[Take(1)];
                value |= (ulong)(b & 127) << shift;
                if (b < 128)
                    return value;
            }
            throw new InvalidDataException("a number is too long");
        }

        private static InvalidDataException CutShort() => new("it is cut short");
    }
}
