using static TorchSharp.torch;

namespace LongTake.Kernels;

/// <summary>
/// A [batch, token, head, d] tensor with a contiguous last dimension; strides in bytes. Batch entry b lies at b / inner
/// * Batch + b % inner * Place: what attends together need not lie together.
/// </summary>
internal unsafe struct AttentionView
{
    public byte* Data;
    public long Batch;
    public long Place;
    public long Token;
    public long Head;

    /// <summary>Address of a token of an entry.</summary>
    public readonly byte* At(in AttentionEntry entry, int token) =>
        Data + entry.Outer * Batch + entry.Inner * Place + entry.Head * Head + token * Token;
}

/// <summary>A batch entry and head: its number and its place in the tensors.</summary>
internal readonly record struct AttentionEntry(int Number, int Outer, int Inner, int Head);

/// <summary>
/// One attention over batches x heads: where everything lies, and how it is cut into blocks. Sizes never depend on the
/// threads.
/// </summary>
internal sealed unsafe class AttentionJob
{
    /// <summary>Most queries of a block; a multiple of 16.</summary>
    public const int QueryBlock = 192;

    /// <summary>Most keys of a block; a multiple of 8.</summary>
    public const int KeyBlock = 64;

    /// <summary>What turns a score into a power of two.</summary>
    public const float Log2E = 1.44269504088896f;

    // Backward splits the keys of a head into groups when there are fewer heads than this, for processors of many
    // cores.
    private const int WantedTasks = 16;

    // Bytes that backward shares among its threads at a time, if one head needs no more.
    private const long WantedShared = 48L << 20;

    // Products and additions a task should have, so that handing it out costs nothing.
    private const long WantedWork = 1 << 19;

    public int Batches;
    public int Inner;
    public int Heads;
    public int Queries;
    public int Keys;
    public int D;
    public bool Half;
    public float Scale;
    public AttentionView Q;
    public AttentionView K;
    public AttentionView V;
    public AttentionView Out;
    public AttentionView Grad;
    public AttentionView DQ;
    public AttentionView DK;
    public AttentionView DV;

    /// <summary>
    /// Key j is seen by the queries From[j] &lt;= i &lt; Until[j]; both null: by all. A row of keys a batch entry,
    /// MaskBatch apart.
    /// </summary>
    public int* From;
    public int* Until;
    public long MaskBatch;

    /// <summary>
    /// What is saved for backward: the largest score (in powers of 2) of a query and one over the sum of the
    /// exponentials (large where it sees no key and all of them are 0), [batch, head, query] each.
    /// </summary>
    public float* Top;
    public float* Share;

    // Sizes, see Plan.
    public int Entries;
    public int Width;
    public int QueryBlocks;
    public int QuerySize;
    public int Lanes;
    public int KeyBlocks;
    public int KeySize;
    public int KeyRows;
    public int Groups;
    public int EntriesPerTask;
    public long Pack;
    public long Part;
    public int Wave;
    public bool InPlace;
    public bool Few;

    /// <summary>Calculates the sizes once the shape is set.</summary>
    public void Plan()
    {
        Entries = Batches * Heads;
        Width = Up(D, 16);

        // Every block but the last is of this size: as equal as whole vectors and tiles allow.
        QueryBlocks = (Queries + QueryBlock - 1) / QueryBlock;
        QuerySize = Up((Queries + QueryBlocks - 1) / QueryBlocks, 16);
        Lanes = QuerySize;
        KeyBlocks = (Keys + KeyBlock - 1) / KeyBlock;
        KeySize = Up((Keys + KeyBlocks - 1) / KeyBlocks, 8);
        KeyRows = KeySize;

        // Backward works on waves of entries, and in these on groups of key blocks side by side, each with gradients of
        // the queries of its own.
        Pack = 4L * Lanes * Width + 3L * Lanes;
        Part = (long)QueryBlocks * QuerySize * Width;
        Groups = Math.Clamp((WantedTasks + Entries - 1) / Entries, 1, KeyBlocks);
        Wave = (int)Math.Clamp(WantedShared / (4 * (QueryBlocks * Pack + Groups * Part)), 1, Entries);
        EntriesPerTask = (int)Math.Clamp(WantedWork / Math.Max(1L, 2L * Queries * Keys * D), 1, Entries);

        // Short rows of whole vectors are used where they lie.
        Few = Queries <= 8;
        InPlace = !Half && D % 16 == 0 && Queries <= 32 && Keys <= 32;
    }

    /// <summary>Floats that a thread takes for a block of queries in the forward pass.</summary>
    public long ForwardScratch => 3L * Lanes * Width + 2L * KeyRows * Width + (long)KeyRows * Lanes + 3 * Lanes;

    /// <summary>Floats of k, v, p, ds, dk and dv of one block in the backward pass.</summary>
    public long BackwardBlock => 4L * KeyRows * Width + 2L * KeyRows * Lanes;

    /// <summary>Whether a head is one block of queries and one of keys.</summary>
    public bool Single => QueryBlocks == 1 && KeyBlocks == 1;

    /// <summary>Floats that a thread takes in the backward pass.</summary>
    public long BackwardScratch =>
        Single ? Pack + BackwardBlock + (long)Lanes * Width : Math.Max(BackwardBlock, (long)Lanes * Width);

    /// <summary>Floats that the threads of a backward pass share.</summary>
    public long BackwardShared => Single ? 0 : Wave * (QueryBlocks * Pack + Groups * Part);

    public static int Up(int n, int grain) => (n + grain - 1) / grain * grain;

    /// <summary>The entry of this number, [batch, head].</summary>
    public AttentionEntry Entry(int number)
    {
        var (batch, head) = Math.DivRem(number, Heads);
        var (outer, inner) = Math.DivRem(batch, Inner);
        return new(number, outer, inner, head);
    }

    /// <summary>Which queries see a key.</summary>
    public (int From, int Until) Seen(in AttentionEntry entry, int key)
    {
        var at = entry.Outer * MaskBatch + key;
        return (From[at], Until[at]);
    }

    /// <summary>
    /// How a block of keys and one of queries stand to the mask: none sees any, some see some, or all see all.
    /// </summary>
    public Sight SightOf(in AttentionEntry entry, int key, int keys, int query, int queries)
    {
        if (From == null)
            return Sight.Whole;
        var (any, every) = (false, true);
        for (var k = key; k < key + keys; k++)
        {
            var (from, until) = Seen(entry, k);
            any |= Math.Max(from, query) < Math.Min(until, query + queries);
            every &= from <= query && until >= query + queries;
        }
        return !any ? Sight.None
            : every ? Sight.Whole
            : Sight.Some;
    }
}

/// <summary>What a mask leaves of a block.</summary>
internal enum Sight
{
    None,
    Some,
    Whole,
}
