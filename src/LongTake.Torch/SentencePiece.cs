using System.Runtime.InteropServices;
using System.Text;

namespace LongTake.Torch;

/// <summary>
/// A SentencePiece model (.model file): text to ids and back, exactly as the SentencePiece library does it. Its native
/// library is loaded at the first use, so that whoever needs no text needs no SentencePiece. Encoding is thread-safe.
/// </summary>
public sealed unsafe partial class SentencePiece : IDisposable
{
    private const string Library = "longtake_text";
    private IntPtr handle;

    /// <summary>Reads a .model file.</summary>
    public SentencePiece(string file)
    {
        if (!File.Exists(file)) throw new UserException($"tokenizer '{file}' not found; give the path of a SentencePiece .model file");
        if (lt_text_load(file, out handle) != 0)
            throw new UserException($"tokenizer '{file}' cannot be read as a SentencePiece model: {Error}");
        Check(lt_text_facts(handle, out var pieces, out var pad, out var eos, out var unknown));
        (Count, Pad, Eos, Unknown) = (pieces, pad, eos, unknown);
    }

    /// <summary>The same of a file's bytes.</summary>
    public static SentencePiece Read(ReadOnlySpan<byte> model)
    {
        var file = Path.GetTempFileName();   // the library reads files
        try
        {
            File.WriteAllBytes(file, model);
            return new(file);
        }
        finally { File.Delete(file); }
    }

    /// <summary>Number of pieces: the ids are 0 .. Count-1.</summary>
    public int Count { get; }

    /// <summary>Id of the padding piece, -1 when the model has none.</summary>
    public int Pad { get; }

    /// <summary>Id of the piece that ends a text, -1 when the model has none.</summary>
    public int Eos { get; }

    /// <summary>Id of what the model does not know.</summary>
    public int Unknown { get; }

    private IntPtr Handle => handle != IntPtr.Zero ? handle : throw new ObjectDisposedException(nameof(SentencePiece));

    /// <summary>The ids of a text, without an end piece.</summary>
    public int[] Encode(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var ids = new int[bytes.Length + 1];
        int count;
        while (true)
        {
            fixed (byte* from = bytes)
            fixed (int* to = ids)
                Check(lt_text_encode(Handle, from, bytes.Length, to, ids.Length, out count));
            if (count <= ids.Length) return ids[..count];
            ids = new int[count];
        }
    }

    /// <summary>The text of ids.</summary>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var text = new byte[16 * ids.Length + 16];
        while (true)
        {
            int length;
            fixed (int* from = ids)
            fixed (byte* to = text)
                Check(lt_text_decode(Handle, from, ids.Length, to, text.Length, out length));
            if (length <= text.Length) return Encoding.UTF8.GetString(text, 0, length);
            text = new byte[length];
        }
    }

    /// <summary>
    /// Trains a unigram model on a text file of one sentence a line and writes outPrefix.model and outPrefix.vocab.
    /// Special pieces as T5's: pad 0, eos 1, unknown 2, no start. A small corpus may yield fewer pieces than asked for.
    /// </summary>
    public static void Train(string corpusFile, int vocabSize, string outPrefix)
    {
        if (!File.Exists(corpusFile)) throw new UserException($"corpus '{corpusFile}' not found; give a text file with one sentence a line");
        if (lt_text_train(corpusFile, outPrefix, vocabSize) != 0)
            throw new UserException($"no tokenizer of {vocabSize} pieces could be trained on '{corpusFile}': {Error}");
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        if (handle != IntPtr.Zero) lt_text_free(handle);
        handle = IntPtr.Zero;
    }

    private static string Error => Marshal.PtrToStringUTF8((IntPtr)lt_text_error())?.ReplaceLineEndings(" ") ?? "no error text";

    private static void Check(int status)
    {
        if (status != 0) throw new TorchException($"SentencePiece: {Error}");
    }

    [LibraryImport(Library)] private static partial byte* lt_text_error();
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lt_text_load(string file, out IntPtr model);
    [LibraryImport(Library)] private static partial void lt_text_free(IntPtr model);
    [LibraryImport(Library)] private static partial int lt_text_facts(IntPtr model, out int pieces, out int pad, out int eos, out int unknown);
    [LibraryImport(Library)] private static partial int lt_text_encode(IntPtr model, byte* text, int length, int* ids, int capacity, out int count);
    [LibraryImport(Library)] private static partial int lt_text_decode(IntPtr model, int* ids, int count, byte* text, int capacity, out int bytes);
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lt_text_train(string corpus, string prefix, int pieces);
}
