namespace LongTake.Models.Text;

/// <summary>
/// Text to the ids of pieces and back. Of either kind that a model's folder can hold; <see cref="Open"/> tells which by
/// looking.
/// </summary>
public abstract class Vocabulary
{
    /// <summary>Number of pieces: the ids are 0 .. Count-1.</summary>
    public abstract int Count { get; }

    /// <summary>Id of the padding piece, -1 when there is none.</summary>
    public abstract int Pad { get; }

    /// <summary>Id of the piece that ends a text, -1 when there is none.</summary>
    public abstract int Eos { get; }

    /// <summary>Id of what is not known.</summary>
    public abstract int Unknown { get; }

    /// <summary>The ids of a text, without an end piece.</summary>
    public abstract int[] Encode(string text);

    /// <summary>The text of ids.</summary>
    public abstract string Decode(ReadOnlySpan<int> ids);

    /// <summary>Reads a file of either kind.</summary>
    public static Vocabulary Open(string path) => Read(ReadFile(path), path);

    /// <summary>Reads the bytes of a file of either kind.</summary>
    public static Vocabulary Read(ReadOnlySpan<byte> file) => Read(file, "in memory");

    /// <summary>The bytes of a file that a person named.</summary>
    internal static byte[] ReadFile(string path)
    {
        if (!File.Exists(path))
            throw new UserException(
                $"tokenizer '{path}' not found; give the path of a SentencePiece .model file or of a word list"
            );
        return File.ReadAllBytes(path);
    }

    private static Vocabulary Read(ReadOnlySpan<byte> file, string name) =>
        WordVocabulary.Is(file) ? WordVocabulary.Parse(file, name) : SentencePiece.Parse(file, name);
}
