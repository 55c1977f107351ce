using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class AttentionTests
{
    /// <summary>One query at a time, one head at a time.</summary>
    private static Tensor Plain(Tensor q, Tensor k, Tensor v)
    {
        var (b, n, heads, d) = q;
        var rows = new List<Tensor>();
        for (var sample = 0; sample < b; sample++)
        for (var at = 0; at < n; at++)
        for (var h = 0; h < heads; h++)
        {
            // [M, 1]
            var scores = k[sample].select(1, h).matmul(q[sample][at][h].unsqueeze(1)) / Math.Sqrt(d);
            var share = (scores - scores.max().detach()).exp();
            rows.Add((v[sample].select(1, h) * share).sum([0]) / share.sum());
        }
        return torch.stack(rows.ToArray()).reshape(b, n, heads, v.size(3));
    }

    [Theory]
    [InlineData(1 << 20)] // all at once
    [InlineData(5 * 12 * 3)] // blocks of three queries, the last shorter
    [InlineData(1)] // one query a block
    public void BlocksGiveThePlainValuesAndGradients(long maxScores) =>
        Same((q, k, v) => Attention.InBlocks(q, k, v, maxScores));

    [Fact]
    public void WhateverTheLibraryOffersGivesThePlainValuesAndGradients() => Same((q, k, v) => Attention.Full(q, k, v));

    /// <summary>
    /// Half of the heads see only their place, the others only their time; the reference masks the scores of full
    /// attention.
    /// </summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void AxialEqualsMaskedFullAttention(int heads)
    {
        const int Frames = 5,
            Places = 4,
            Tokens = Frames * Places;
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var (q, k, v) = (
            torch.randn([2, Tokens, heads, 6], generator: g),
            torch.randn([2, Tokens, heads, 6], generator: g),
            torch.randn([2, Tokens, heads, 6], generator: g)
        );
        var mask = new float[heads * Tokens * Tokens];
        for (var h = 0; h < heads; h++)
        for (var i = 0; i < Tokens; i++)
        for (var j = 0; j < Tokens; j++)
            if (h < heads / 2 ? i % Places != j % Places : i / Places != j / Places)
                mask[(h * Tokens + i) * Tokens + j] = float.NegativeInfinity;
        var scores =
            q.transpose(1, 2).matmul(k.permute(0, 2, 3, 1)) / Math.Sqrt(6)
            + Tensor.From<float>(mask, heads, Tokens, Tokens);
        var expected = scores.softmax(-1).matmul(v.transpose(1, 2)).transpose(1, 2);
        Near.Equal(expected, Attention.Axial(q, k, v, Frames), 1e-6, 1e-5);
    }

    private static void Same(Func<Tensor, Tensor, Tensor, Tensor> fast)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        Tensor[] inputs =
        [
            torch.randn([2, 7, 3, 4], generator: g) * 2,
            torch.randn([2, 10, 3, 4], generator: g) * 2,
            torch.randn([2, 10, 3, 4], generator: g),
        ];
        var towards = torch.randn([2, 7, 3, 4], generator: g);
        var slow = inputs.Select(x => x.detach().clone().requires_grad_()).ToArray();
        var quick = inputs.Select(x => x.detach().clone().requires_grad_()).ToArray();
        var (expected, actual) = (Plain(slow[0], slow[1], slow[2]), fast(quick[0], quick[1], quick[2]));
        Near.Equal(expected, actual, 1e-6, 1e-5);
        (expected * towards).sum().Backward();
        (actual * towards).sum().Backward();
        for (var i = 0; i < 3; i++)
            Near.Equal(slow[i].grad!, quick[i].grad!, 1e-5, 1e-5);
    }
}
