namespace LongTake.Models.Text;

/// <summary>
/// Finds which of many byte strings begin at a place of a text: they are sorted, and each further byte narrows the
/// range.
/// </summary>
internal sealed class PieceTrie
{
    private readonly byte[] bytes;
    private readonly (int Start, int Length, int Id)[] sorted;

    /// <summary>
    /// The strings, each a place in bytes, with what stands for it; of two that are the same the exception names the
    /// second's id.
    /// </summary>
    public PieceTrie(byte[] bytes, IEnumerable<(int Start, int Length, int Id)> strings)
    {
        this.bytes = bytes;
        sorted = [.. strings];
        // numbers are sorted fast; then the few that begin alike
        Array.Sort(Array.ConvertAll(sorted, Prefix), sorted);
        for (var (from, to) = (0, 0); from < sorted.Length; from = to)
        {
            var prefix = Prefix(sorted[from]);
            while (to < sorted.Length && Prefix(sorted[to]) == prefix)
                to++;
            if (to - from > 1)
                sorted
                    .AsSpan(from, to - from)
                    .Sort(
                        (a, b) =>
                            Text(a).SequenceCompareTo(Text(b)) is var order and not 0 ? order : a.Id.CompareTo(b.Id)
                    );
        }
        for (var i = 1; i < sorted.Length; i++)
            if (Text(sorted[i]).SequenceEqual(Text(sorted[i - 1])))
                throw new InvalidDataException($"piece {sorted[i].Id} is there twice");
    }

    /// <summary>The strings that begin at a place, from the shortest to the longest.</summary>
    public Matches At(ReadOnlySpan<byte> text) => new(this, text);

    private ReadOnlySpan<byte> Text((int Start, int Length, int Id) entry) => bytes.AsSpan(entry.Start, entry.Length);

    // The first eight bytes as a number that compares as they do.
    private ulong Prefix((int Start, int Length, int Id) entry)
    {
        var prefix = 0UL;
        for (var i = 0; i < 8; i++)
            prefix = prefix << 8 | (i < entry.Length ? bytes[entry.Start + i] : 0UL);
        return prefix;
    }

    // The first of a range whose byte at a depth, which all of them have, is not below a value.
    private int Bound(int low, int high, int depth, int value)
    {
        while (low < high)
        {
            var middle = (low + high) >> 1;
            if (bytes[sorted[middle].Start + depth] < value)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    /// <summary>An enumerator that makes no object: the innermost loop of encoding.</summary>
    public ref struct Matches(PieceTrie trie, ReadOnlySpan<byte> text)
    {
        private readonly ReadOnlySpan<byte> text = text;
        private int low,
            high = trie.sorted.Length,
            depth;

        /// <summary>Length and id of the string found.</summary>
        public (int Length, int Id) Current { get; private set; }

        public readonly Matches GetEnumerator() => this;

        public bool MoveNext()
        {
            while (depth < text.Length)
            {
                var next = text[depth];
                low = trie.Bound(low, high, depth, next);
                high = trie.Bound(low, high, depth, next + 1);
                depth++;
                if (low == high)
                    return false;
                if (trie.sorted[low].Length != depth)
                    continue;
                Current = (depth, trie.sorted[low++].Id); // it has no further byte
                return true;
            }
            return false;
        }
    }
}
