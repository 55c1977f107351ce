using LongTake.Video;

namespace LongTake.Data;

/// <summary>Takes that show the same thing: the hashes of their pictures, two a second, agree at some shift.</summary>
internal static class Duplicates
{
    /// <summary>
    /// For each decision that repeats another: which, and in how many bits they differ on average. The larger picture
    /// stays, then the longer, then the first.
    /// </summary>
    public static Dictionary<Decision, (Decision Of, double Bits)> Find(
        IReadOnlyList<(Decision Decision, IReadOnlyList<ulong> Hashes, int Pixels)> all,
        FilterRules rules
    )
    {
        var duplicates = new Dictionary<Decision, (Decision, double)>(ReferenceEqualityComparer.Instance);
        if (rules.DuplicateBits < 0)
            return duplicates;
        var order = all.Where(a => a.Hashes.Count > 0)
            .OrderByDescending(a => a.Pixels)
            .ThenByDescending(a => a.Hashes.Count)
            .ThenBy(a => a.Decision.Path, StringComparer.Ordinal)
            .ThenBy(a => a.Decision.Start)
            .ToList();
        // Hashes that differ in few bits agree in one of a few bands; only takes that share bands at one shift are
        // compared.
        var bands = new Dictionary<(int Band, ushort Bits), List<(int Take, int At)>>();
        for (var n = 0; n < order.Count; n++)
        {
            if (Reference(order, n, bands, rules) is { } reference)
                duplicates[order[n].Decision] = (order[reference.Take].Decision, reference.Bits);
            else
                for (var at = 0; at < order[n].Hashes.Count; at++)
                for (var band = 0; band < 4; band++)
                {
                    if (!bands.TryGetValue((band, Band(order[n].Hashes[at], band)), out var list))
                        bands[(band, Band(order[n].Hashes[at], band))] = list = [];
                    list.Add((n, at));
                }
        }
        return duplicates;
    }

    private static (int Take, double Bits)? Reference(
        List<(Decision Decision, IReadOnlyList<ulong> Hashes, int Pixels)> order,
        int n,
        Dictionary<(int, ushort), List<(int Take, int At)>> bands,
        FilterRules rules
    )
    {
        var mine = order[n].Hashes;
        var votes = new Dictionary<(int Take, int Shift), int>();
        for (var at = 0; at < mine.Count; at++)
        for (var band = 0; band < 4; band++)
            if (bands.TryGetValue((band, Band(mine[at], band)), out var list))
                // a band that all of the set shares tells nothing
                foreach (var (take, there) in list.Take(10_000))
                    votes[(take, there - at)] = votes.GetValueOrDefault((take, there - at)) + 1;
        foreach (var ((take, shift), _) in votes.OrderByDescending(v => v.Value).ThenBy(v => v.Key).Take(64))
        {
            var theirs = order[take].Hashes;
            var (from, to) = (Math.Max(0, -shift), Math.Min(mine.Count, theirs.Count - shift));
            var shorter = Math.Min(mine.Count, theirs.Count);
            if (to - from < rules.DuplicateShare * shorter || to - from < 1)
                continue;
            var bits = Enumerable
                .Range(from, to - from)
                .Average(i => PerceptualHash.Distance(mine[i], theirs[i + shift]));
            if (bits <= Math.Min(rules.DuplicateBits, 0.5 + 0.5 * Variety(mine)))
                return (take, bits);
        }
        return null;
    }

    // A camera that stands still sees the same all day: such takes must agree better than a take agrees with itself a
    // little later.
    private static double Variety(IReadOnlyList<ulong> hashes)
    {
        const int later = 6;
        return hashes.Count <= later
            ? 64
            : Enumerable
                .Range(later, hashes.Count - later)
                .Average(i => PerceptualHash.Distance(hashes[i], hashes[i - later]));
    }

    private static ushort Band(ulong hash, int band) => (ushort)(hash >> (16 * band));
}
