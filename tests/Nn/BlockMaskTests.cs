using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class BlockMaskTests
{
    /// <summary>[N, M], 1 where a query sees a key.</summary>
    internal static Tensor Dense(AttentionMask mask, long queries) =>
        1 - mask.Hidden(0, queries)[0][0].to(ScalarType.Float32);

    /// <summary>The rule in words, frame by frame.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    public void AFrameSeesItsBlockAndThoseBeforeWithinTheWindow(int window)
    {
        using var scope = torch.NewDisposeScope();
        int[] ends = [1, 4, 4, 4, 7, 7, 7];
        var seen = Dense(BlockMask.Causal(BlockMask.Blocks(7, 3, firstAlone: true), 1, window), 7).ToArray<float>();
        for (var query = 0; query < 7; query++)
        for (var key = 0; key < 7; key++)
            Assert.Equal(
                key < ends[query] && (window == 0 || key >= ends[query] - window) ? 1 : 0,
                seen[query * 7 + key]
            );
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(4, false)]
    [InlineData(3, true)]
    public void ItGivesTheValuesAndGradientsOfADenseMask(int window, bool firstAlone)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        const int tokens = 2;
        var blocks = BlockMask.Blocks(firstAlone ? 7 : 6, 3, firstAlone);
        var mask = BlockMask.Causal(blocks, tokens, window);
        var n = blocks.Sum() * tokens;
        Tensor[] inputs =
        [
            torch.randn([2, n, 2, 4], generator: g),
            torch.randn([2, n, 2, 4], generator: g),
            torch.randn([2, n, 2, 4], generator: g),
        ];
        var fast = inputs.Select(x => x.clone().requires_grad_()).ToArray();
        var slow = inputs.Select(x => x.clone().requires_grad_()).ToArray();
        var hidden = (1 - Dense(mask, n)) * -1e9;
        var scores = slow[0].transpose(1, 2).matmul(slow[1].permute(0, 2, 3, 1)) / 2 + hidden;
        var expected = scores.softmax(-1).matmul(slow[2].transpose(1, 2)).transpose(1, 2);
        var actual = Attention.Full(fast[0], fast[1], fast[2], mask);
        Near.Equal(expected, actual, 1e-6, 1e-5);
        var towards = torch.randn([2, n, 2, 4], generator: g);
        (expected * towards).sum().Backward();
        (actual * towards).sum().Backward();
        for (var i = 0; i < 3; i++)
            Near.Equal(slow[i].grad!, fast[i].grad!, 1e-5, 1e-5);
    }

    [Fact]
    public void FramesThatMakeNoBlocksAreNamed()
    {
        Assert.Equal([1, 3, 3], BlockMask.Blocks(7, 3, firstAlone: true));
        Assert.Contains("try 6 or 9", Assert.Throws<UserException>(() => BlockMask.Blocks(7, 3)).Message);
        Assert.Contains("window of 2", Assert.Throws<UserException>(() => BlockMask.Causal([3], 1, 2)).Message);
    }
}
