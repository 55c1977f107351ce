namespace LongTake.Methods;

/// <summary>Compares what two losses add to the gradients of the same weights, one after the other.</summary>
internal static class GradientComparison
{
    /// <summary>Copies of the gradients there are, after the first loss.</summary>
    public static IReadOnlyList<Tensor?> Copies(IReadOnlyList<Tensor> weights) =>
        [.. weights.Select(w => w.grad?.clone())];

    /// <summary>
    /// After the second loss: the norms of what the first (flow matching) and the second (distribution matching) have
    /// given, and the cosine between them.
    /// </summary>
    public static IEnumerable<(string Name, double Value)> Of(
        IReadOnlyList<Tensor?> copies,
        IReadOnlyList<Tensor> weights
    )
    {
        List<Tensor> first = [],
            second = [],
            both = []; // read at the end, all at once: a device is waited for
        foreach (var (i, a) in copies.Index())
        {
            using var scope = torch.NewDisposeScope(); // one weight's at a time
            var b = a is null || weights[i].grad is null ? weights[i].grad : weights[i].grad! - a;
            if (a is not null)
                first.Add(a.square().sum().MoveToOuterDisposeScope());
            if (b is not null)
                second.Add(b.square().sum().MoveToOuterDisposeScope());
            if (a is not null && b is not null)
                both.Add((a * b).sum().MoveToOuterDisposeScope());
        }
        var (fm, dm, product) = (Sum(first), Sum(second), Sum(both));
        yield return ("encoder |fm|", Math.Sqrt(fm));
        yield return ("encoder |dm|", Math.Sqrt(dm));
        yield return ("encoder cosine", fm > 0 && dm > 0 ? product / Math.Sqrt(fm * dm) : 0);
    }

    private static double Sum(List<Tensor> numbers) =>
        numbers.Count == 0 ? 0 : torch.stack([.. numbers]).Numbers().Sum();
}
