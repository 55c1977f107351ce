namespace LongTake.Tests.Tensors;

[Collection(nameof(Alone))]
public class WeightStreamTests
{
    // Four places of ten floats, and one weight that is always there.
    private static Tensor? Source(string name) =>
        name == "missing" ? null : torch.full([name == "first" ? 3 : 10], name.Length + name[^1]);

    private static (Weights Weights, Weights[] Places, Tensor[] Tensors) Made(Func<string, Tensor?>? source = null)
    {
        var weights = Weights.Streamed(source ?? Source, n => n.StartsWith("blocks.", StringComparison.Ordinal));
        weights.Parameter("first", [3]);
        Weights[] places = [.. Enumerable.Range(0, 4).Select(i => weights / "blocks" / i)];
        return (weights, places, [.. places.Select(p => p.Parameter("w", [10]))]);
    }

    [Fact]
    public void EachPlaceIsThereInItsTurnAndTwoAtMost()
    {
        var before = LiveTensors.Settled();
        using (var scope = torch.NewDisposeScope())
        {
            var (weights, places, tensors) = Made();
            using var owned = weights;
            Assert.Equal((0, 0), weights.StreamedBytes);
            for (var round = 0; round < 2; round++)
            {
                var seen = new List<int>();
                foreach (var i in WeightStream.InTurn(places))
                {
                    using var inner = torch.NewDisposeScope();
                    Assert.True(Source($"blocks.{i}.w")!.SameAs(tensors[i]));
                    Assert.InRange(weights.StreamedBytes.Now, 40, 80);
                    seen.Add(i);
                }
                Assert.Equal([0, 1, 2, 3], seen);
                Assert.Equal(0, weights.StreamedBytes.Now);
            }
            Assert.InRange(weights.StreamedBytes.Peak, 40, 80);
            Assert.Equal(before + 5, Tensor.TotalCount);
        }
        Assert.Equal(before, Tensor.TotalCount);
    }

    [Fact]
    public void WhileAPlaceIsUsedTheNextIsBrought()
    {
        using var scope = torch.NewDisposeScope();
        var (weights, places, _) = Made();
        using var owned = weights;
        foreach (var i in WeightStream.InTurn(places))
            Assert.True(
                i == places.Length - 1
                    || SpinWait.SpinUntil(() => weights.StreamedBytes.Now == 80, TimeSpan.FromSeconds(30)),
                $"in turn {i} there are {weights.StreamedBytes.Now} bytes"
            );
        Assert.Equal(80, weights.StreamedBytes.Peak);
    }

    [Fact]
    public void WhoLeavesEarlyLeavesNothingBehind()
    {
        using var scope = torch.NewDisposeScope();
        var (weights, places, _) = Made();
        using var owned = weights;
        foreach (var i in WeightStream.InTurn(places))
            if (i == 1)
                break;
        Assert.Equal(0, weights.StreamedBytes.Now);
    }

    [Fact]
    public void AWeightThatIsMissingOrOfAnotherShapeIsNamedAndNothingStays()
    {
        using var scope = torch.NewDisposeScope();
        foreach (
            var (source, said) in ((Func<string, Tensor?>, string)[])
                [
                    (n => n == "blocks.2.w" ? null : Source(n), "holds no weight 'blocks.2.w'"),
                    (n => n == "blocks.2.w" ? torch.zeros([9]) : Source(n), "has shape [9]"),
                ]
        )
        {
            var (weights, places, _) = Made(source);
            using var owned = weights;
            var turns = 0;
            var e = Assert.Throws<UserException>(() =>
            {
                foreach (var i in WeightStream.InTurn(places))
                    turns++;
            });
            Assert.Contains(said, e.Message);
            Assert.Equal((2, 0), (turns, weights.StreamedBytes.Now));
        }
    }

    [Fact]
    public void WeightsThatAreNotStreamedStayWhereTheyAre()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Load(Source);
        Weights[] places = [weights / "blocks" / 0, weights / "blocks" / 1];
        var tensors = places.Select(p => p.Parameter("w", [10])).ToList();
        Assert.Equal([0, 1], WeightStream.InTurn(places));
        Assert.True(Source("blocks.0.w")!.SameAs(tensors[0]));
    }
}
