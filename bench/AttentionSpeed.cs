using LongTake.Nn;

namespace LongTake.Bench;

/// <summary>
/// Self-attention beside the rate of bfloat16 matrix products in the same process and turn (4 N^2 d FLOPs a head forward, 14 with the
/// backward pass and the forward it needs), and beside the obvious PyTorch. Error and memory are shown too.
/// </summary>
internal static class AttentionSpeed
{
    public static IEnumerable<Row> Rows()
    {
        foreach (var (heads, d) in ((int, int)[])[(6, 64), (12, 128)])
            foreach (var tokens in (int[])[1968, 3920])
                foreach (var row in Rows(tokens, heads, d)) yield return row;
        yield return Memory();
    }

    private static IEnumerable<Row> Rows(int tokens, int heads, int d)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        using var python = Python.Start("attention.py", tokens, heads, d);
        Tensor Draw() => g.Normal(1, tokens, heads, d).To(Dtype.BF16);
        var (q, k, v, towards) = (Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw());
        var work = 4.0 * tokens * tokens * d * heads / 1e9;
        var product = Limits.Product();
        var forward = Turns.Of(() => { using (GradMode.Off()) Attention.Full(q, k, v); }, 0.1);
        var both = Turns.Of(() => Attention.Full(q, k, v).Backward(towards), 0.1);
        var s = Turns.Run(7, product, forward, both);
        var suffix = $", {tokens} tokens, {heads}x{d}";
        yield return Row.Rate("attention.forward" + suffix, work, s[1], Limits.Work, s[0], "matrix product") with { Least = 0.6, Floor = Limits.Work / Turns.Median(s[0]), Note = "bfloat16" };
        yield return Row.Rate("attention.backward" + suffix, 3.5 * work, s[2], Limits.Work, s[0], "matrix product") with { Least = 0.5, Floor = Limits.Work / Turns.Median(s[0]), Note = "bfloat16, forward and backward" };
        if (python is not null)
        {
            var t = Turns.Run(3, forward, python.Of("forward"), both, python.Of("both"));
            yield return Row.Seconds("attention.forward against PyTorch" + suffix, t[0], t[1], "softmax(q k) v in PyTorch", 1e3, "ms");
            yield return Row.Seconds("attention.backward against PyTorch" + suffix, t[2], t[3], "softmax(q k) v in PyTorch", 1e3, "ms");
        }
        using var off = GradMode.Off();
        var (exactQ, exactK, exactV) = (Double(q), Double(k), Double(v));
        var exact = MatMul(Softmax(MatMul(exactQ, exactK.Transpose(1, 2)) * (1 / Math.Sqrt(d)), -1), exactV);
        double Error(Tensor x) => Norm(Double(x) - exact).Scalar() / Norm(exact).Scalar();
        yield return new("attention.error" + suffix, Error(Attention.Full(q, k, v)), "relative", Lower: true) { Limit = 1.0 / 256, Note = "bfloat16, against float64; its rounding is 1/256" };
        yield return new("attention.error, float32" + suffix, Error(Attention.Full(q.To(Dtype.F32), k.To(Dtype.F32), v.To(Dtype.F32))), "relative", Lower: true) { Limit = 2e-6, Note = "against float64" };

        static Tensor Double(Tensor x) => Select(x, 0, 0).Transpose(0, 1).To(Dtype.F64);
    }

    // The exponent of peak memory (of tensors) in the number of tokens: 1 is linear; scores kept in memory would make it 2.
    private static Row Memory()
    {
        static double Peak(int tokens)
        {
            using var scope = new Scope();
            using var g = new Generator(1);
            Tensor Draw() => g.Normal(1, tokens, 6, 64).To(Dtype.BF16);
            var (q, k, v, towards) = (Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw().RequiresGrad_(), Draw());
            void Step() { using var inner = new Scope(); Attention.Full(q, k, v).Backward(towards); }
            Step();   // after it there are gradients
            var before = Libtorch.CpuMemory(restart: true).Now;
            Step();
            return Libtorch.CpuMemory().Most - before;
        }
        var (small, large) = (Peak(2048), Peak(8192));
        return new("attention.memory, exponent", Math.Log(large / small) / Math.Log(4), "N^", Lower: true)
        {
            Limit = 1.2, Note = $"forward and backward, 6x64: {small / 1e6:0.0} MB at 2,048 tokens, {large / 1e6:0.0} MB at 8,192 (the scores alone would take {6.0 * 8192 * 8192 * 2 / 1e6:#,0} MB)",
        };
    }
}
