namespace LongTake.Evaluation;

/// <summary>Order and trend of series.</summary>
public static class Ranks
{
    /// <summary>
    /// Spearman's rank correlation, ties given their mean rank; null when one side is constant or there are fewer than
    /// three pairs.
    /// </summary>
    public static double? Spearman(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        if (a.Count != b.Count)
            throw new ArgumentException($"pairs need equal counts, given {a.Count} and {b.Count}");
        if (a.Count < 3)
            return null;
        var (ra, rb, middle) = (Of(a), Of(b), (a.Count - 1) / 2.0);
        double both = 0,
            first = 0,
            second = 0;
        for (var i = 0; i < a.Count; i++)
        {
            both += (ra[i] - middle) * (rb[i] - middle);
            first += (ra[i] - middle) * (ra[i] - middle);
            second += (rb[i] - middle) * (rb[i] - middle);
        }
        return first == 0 || second == 0 ? null : both / Math.Sqrt(first * second);
    }

    /// <summary>
    /// Slope of the straight line nearest to a curve, per minute of its seconds; null with fewer than two values.
    /// </summary>
    public static double? Slope(IReadOnlyList<double?> seconds)
    {
        var given = seconds
            .Select((v, s) => (X: s / 60.0, Y: v))
            .Where(p => p.Y is not null)
            .Select(p => (p.X, Y: p.Y!.Value))
            .ToList();
        if (given.Count < 2)
            return null;
        var (x, y) = (given.Average(p => p.X), given.Average(p => p.Y));
        return given.Sum(p => (p.X - x) * (p.Y - y)) / given.Sum(p => (p.X - x) * (p.X - x));
    }

    private static double[] Of(IReadOnlyList<double> values)
    {
        var (order, ranks) = (
            Enumerable.Range(0, values.Count).OrderBy(i => values[i]).ToArray(),
            new double[values.Count]
        );
        for (var i = 0; i < order.Length; )
        {
            var end = i;
            while (end < order.Length && values[order[end]] == values[order[i]])
                end++;
            for (var k = i; k < end; k++)
                ranks[order[k]] = (i + end - 1) / 2.0;
            i = end;
        }
        return ranks;
    }
}
