namespace LongTake;

/// <summary>What somebody may have meant.</summary>
public static class Suggest
{
    /// <summary>The name most like the one given, or null when none is near.</summary>
    public static string? Nearest(string given, IEnumerable<string> names)
    {
        var (best, distance) = names
            .Select(n => (n, Distance(given.ToLowerInvariant(), n.ToLowerInvariant())))
            .OrderBy(p => p.Item2)
            .FirstOrDefault(("", int.MaxValue));
        // "--secs" is a short "--seconds" rather than a mistyped "--seed"
        var begun = given.Length >= 5 ? names.Where(n => Shortened(given, n)).ToList() : [];
        if (distance > 1 && begun.Count == 1)
            return begun[0];
        return distance <= Math.Max(2, given.Length / 3) && distance < given.Length ? best : null;
    }

    // The first three letters and then the others in their order.
    private static bool Shortened(string given, string name)
    {
        var start = given.StartsWith("--", StringComparison.Ordinal) ? 5 : 3;
        if (given.Length < start || !name.StartsWith(given[..start], StringComparison.OrdinalIgnoreCase))
            return false;
        var at = 0;
        foreach (var c in name)
            if (at < given.Length && char.ToLowerInvariant(c) == char.ToLowerInvariant(given[at]))
                at++;
        return at == given.Length;
    }

    /// <summary>Edit distance: insertions, deletions, replacements, swaps of neighbours.</summary>
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        for (var j = 0; j <= b.Length; j++)
        {
            d[i, j] =
                i == 0 || j == 0
                    ? i + j
                    : Math.Min(
                        Math.Min(d[i - 1, j], d[i, j - 1]) + 1,
                        d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                    );
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
        }
        return d[a.Length, b.Length];
    }
}
