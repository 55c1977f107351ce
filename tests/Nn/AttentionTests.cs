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
                    var scores = MatMul(Select(k[sample], 1, h), q[sample][at][h].Unsqueeze(1)) / Math.Sqrt(d);   // [M, 1]
                    var share = Exp(scores - Max(scores).Detach());
                    rows.Add(Sum(Select(v[sample], 1, h) * share, [0]) / Sum(share));
                }
        return Stack(rows.ToArray()).Reshape(b, n, heads, v.Size(3));
    }

    [Theory]
    [InlineData(1 << 20)]   // all at once
    [InlineData(5 * 12 * 3)]   // blocks of three queries, the last shorter
    [InlineData(1)]   // one query a block
    public void BlocksGiveThePlainValuesAndGradients(long maxScores) => Same((q, k, v) => Attention.InBlocks(q, k, v, maxScores));

    [Fact]
    public void WhateverTheLibraryOffersGivesThePlainValuesAndGradients() => Same((q, k, v) => Attention.Full(q, k, v));

    /// <summary>Half of the heads see only their place, the others only their time; the twin masks the scores of full attention.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void AxialEqualsMaskedFullAttention(int heads)
    {
        const int Frames = 5, Places = 4, Tokens = Frames * Places;
        using var scope = new Scope();
        using var g = new Generator(1);
        var (q, k, v) = (g.Normal(2, Tokens, heads, 6), g.Normal(2, Tokens, heads, 6), g.Normal(2, Tokens, heads, 6));
        var mask = new float[heads * Tokens * Tokens];
        for (var h = 0; h < heads; h++)
            for (var i = 0; i < Tokens; i++)
                for (var j = 0; j < Tokens; j++)
                    if (h < heads / 2 ? i % Places != j % Places : i / Places != j / Places) mask[(h * Tokens + i) * Tokens + j] = float.NegativeInfinity;
        var scores = MatMul(q.Transpose(1, 2), k.Permute(0, 2, 3, 1)) / Math.Sqrt(6) + Tensor.From<float>(mask, heads, Tokens, Tokens);
        var expected = MatMul(Softmax(scores, -1), v.Transpose(1, 2)).Transpose(1, 2);
        Near.Equal(expected, Attention.Axial(q, k, v, Frames), 1e-6, 1e-5);
    }

    private static void Same(Func<Tensor, Tensor, Tensor, Tensor> fast)
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        Tensor[] inputs = [g.Normal(2, 7, 3, 4) * 2, g.Normal(2, 10, 3, 4) * 2, g.Normal(2, 10, 3, 4)];
        var towards = g.Normal(2, 7, 3, 4);
        var slow = inputs.Select(x => x.Detach().Clone().RequiresGrad_()).ToArray();
        var quick = inputs.Select(x => x.Detach().Clone().RequiresGrad_()).ToArray();
        var (expected, actual) = (Plain(slow[0], slow[1], slow[2]), fast(quick[0], quick[1], quick[2]));
        Near.Equal(expected, actual, 1e-6, 1e-5);
        Sum(expected * towards).Backward();
        Sum(actual * towards).Backward();
        for (var i = 0; i < 3; i++) Near.Equal(slow[i].Grad!, quick[i].Grad!, 1e-5, 1e-5);
    }
}
