using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// Attention beside libtorch's scaled_dot_product_attention in the faster of its two types, turn after turn in one
/// process: long videos of all to all, and the many short sequences of heads that see one axis. Its error and memory
/// too.
/// </summary>
internal static class AttentionSpeed
{
    private const string Peer = "scaled_dot_product_attention";

    public static IEnumerable<Row> Rows()
    {
        foreach (var (heads, d) in ((int, int)[])[(6, 64), (12, 128)])
        foreach (var tokens in (int[])[1968, 3920])
        foreach (var row in Rows(1, tokens, heads, d, tokens == 3920 ? 1.3 : null, tokens == 3920 ? 1.3 : null))
            yield return row;
        foreach (var (batch, tokens) in ((int, int)[])[(336, 8), (128, 21)])
        foreach (var row in Rows(batch, tokens, 2, 48, null, 2.5))
            yield return row;
        yield return Memory();
    }

    // 4 N^2 d FLOPs a head forward, 14 with the backward pass and the forward it needs.
    private static IEnumerable<Row> Rows(int batch, int tokens, int heads, int d, double? least, double? leastBoth)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator(1);
        var drawn = Enumerable
            .Range(0, 4)
            .Select(_ => torch.randn([batch, tokens, heads, d], generator: g).to(ScalarType.BFloat16))
            .ToArray();
        var wide = drawn.Select(x => x.to(ScalarType.Float32)).ToArray();
        var (seconds, fill) = (batch == 1 ? 0.0 : 0.05, batch == 1 ? 5 : 9);
        var (ours16, ours32) = (new Work(drawn, Ours), new Work(wide, Ours));
        var (sdpa16, sdpa32) = (new Work(drawn, Sdpa), new Work(wide, Sdpa));
        Work[] works = [ours16, ours32, sdpa16, sdpa32];
        var forward = Turns.Run(fill, [.. works.Select(w => Turns.Of(w.Forward, seconds))]);
        var both = Turns.Run(fill, [.. works.Select(w => Turns.Of(w.Both, seconds))]);
        var flops = 4.0 * batch * tokens * tokens * d * heads / 1e9;
        var what = batch == 1 ? $"{tokens} tokens, {heads}x{d}" : $"{batch} sequences of {tokens}, {heads}x{d}";
        yield return Beside($"attention.forward, {what}", forward, flops) with
        {
            Least = least,
        };
        yield return Beside($"attention.backward, {what}", both, 3.5 * flops) with
        {
            Least = leastBoth,
        };
        if (batch > 1)
            yield break;
        foreach (var row in InPython(tokens, heads, d, ours16))
            yield return row;
        using var off = torch.no_grad();
        var exact = Sdpa([.. wide.Select(x => x.to(ScalarType.Float64))]);
        double Error(Tensor x) => ((x.to(ScalarType.Float64) - exact).norm() / exact.norm()).ToDouble();
        yield return new($"attention.error, {what}", Error(Ours(drawn)), "relative", Lower: true)
        {
            Limit = 1.0 / 256,
            Note = "bfloat16, against float64; its rounding is 1/256",
        };
        yield return new($"attention.error, float32, {what}", Error(Ours(wide)), "relative", Lower: true)
        {
            Limit = 2e-6,
            Note = "against float64",
        };
    }

    // Seconds in the order ours bfloat16, ours float32, theirs bfloat16, theirs float32; ours is what a model is stored
    // in, bfloat16.
    private static Row Beside(string name, double[][] s, double flops)
    {
        var (peer, type) = Plain.Faster(s[2], s[3]);
        return Row.Seconds(name, s[0], peer, $"{Peer}, {type}", 1e3, "ms") with
        {
            Note = $"bfloat16, {flops / Turns.Median(s[0]):0} GFLOP/s; in float32 {1e3 * Turns.Median(s[1]):0.00} ms",
        };
    }

    private static IEnumerable<Row> InPython(int tokens, int heads, int d, Work ours)
    {
        using var python = Python.Start("attention.py", tokens, heads, d);
        if (python is null)
            yield break;
        var s = Turns.Run(3, Turns.Of(ours.Forward), python.Of("forward"), Turns.Of(ours.Both), python.Of("both"));
        var what = $"{tokens} tokens, {heads}x{d}";
        yield return Row.Seconds($"attention.forward against Python, {what}", s[0], s[1], Python.Name, 1e3, "ms");
        yield return Row.Seconds($"attention.backward against Python, {what}", s[2], s[3], Python.Name, 1e3, "ms");
    }

    private static Tensor Ours(Tensor[] x) => Attention.Full(x[0], x[1], x[2]);

    private static Tensor Sdpa(Tensor[] x)
    {
        var h = x.Take(3).Select(t => t.transpose(1, 2)).ToArray();
        return torch.nn.functional.scaled_dot_product_attention(h[0], h[1], h[2]).transpose(1, 2);
    }

    /// <summary>
    /// An attention of q, k, v [B, N, heads, d]; the fourth tensor is what its result is pulled towards.
    /// </summary>
    private sealed class Work(Tensor[] given, Func<Tensor[], Tensor> attend)
    {
        private readonly Tensor[] leaves = [.. given.Take(3).Select(t => t.detach().clone().requires_grad_())];

        public void Forward()
        {
            using var off = torch.no_grad();
            attend(leaves);
        }

        public void Both()
        {
            // Through a view, as in a model: a leaf would have its gradients copied.
            attend([.. leaves.Select(l => l.alias())]).Backward(given[3]);
            foreach (var leaf in leaves)
                leaf.grad = null;
        }
    }

    // The exponent of peak memory in the number of tokens: 1 is linear; scores kept in memory would make it 2.
    private static Row Memory()
    {
        var (small, large) = (PeakMemory.InChild("attention", 2048), PeakMemory.InChild("attention", 8192));
        var scores = 6.0 * 8192 * 8192 * 2 / 1e6;
        return new("attention.memory, exponent", Math.Log(large / small) / Math.Log(4), "N^", Lower: true)
        {
            Limit = 1.2,
            Note =
                $"forward and backward, 6x64: {small / 1e6:0.0} MB at 2,048 tokens, {large / 1e6:0.0} MB at 8,192 "
                + $"(the scores alone would take {scores:#,0} MB)",
        };
    }

    /// <summary>What <see cref="PeakMemory"/> watches.</summary>
    public static Action MemoryWork(int tokens)
    {
        using var g = new torch.Generator(1);
        var drawn = Enumerable
            .Range(0, 4)
            .Select(_ => torch.randn([1, tokens, 6, 64], generator: g).to(ScalarType.BFloat16))
            .ToArray();
        var work = new Work(drawn, Ours);
        return work.Both;
    }
}
