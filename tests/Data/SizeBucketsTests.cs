using LongTake.Data;
using LongTake.Methods;

namespace LongTake.Tests.Data;

/// <summary>Sets of mixed sizes: a batch has one, and no item is drawn more often for it.</summary>
public sealed class SizeBucketsTests(TinyModel tiny) : IClassFixture<TinyModel>
{
    private static readonly LatentItem[] items =
    [
        .. Enumerable
            .Range(0, 7)
            .Select(i => new LatentItem($"clip-{i}", "clip", 3, $"caption {i}") { Size = i < 5 ? "16x16" : "24x16" }),
    ];

    [Fact]
    public void ABatchHasOneSizeAndEveryItemComesAsOften()
    {
        var (sizes, random, drawn) = (new SizeBuckets(items), new Rng(5), items.ToDictionary(i => i.Name, _ => 0));
        const int Batches = 3000,
            Batch = 4;
        for (var n = 0; n < Batches; n++)
        {
            var next = sizes.Batch();
            var batch = Enumerable.Range(0, Batch).Select(_ => next(random)).ToList();
            Assert.Single(batch.Select(i => i.Size).Distinct());
            foreach (var item in batch)
                drawn[item.Name]++;
        }
        // A batch's items are not independent, so an item's count varies at most sqrt(Batch) times as much as that of
        // independent draws.
        var share = 1.0 / items.Length;
        var std = Math.Sqrt(Batch) * Math.Sqrt(Batches * Batch * share * (1 - share));
        Assert.All(drawn, d =>
            Assert.InRange(d.Value, Batches * Batch * share - 4 * std, Batches * Batch * share + 4 * std)
        );
    }

    [Fact]
    public void OfOneSizeTheDrawsAreThePlainOnes()
    {
        var one = items[..5];
        var (next, random, reference) = (new SizeBuckets(one).Batch(), new Rng(6), new Rng(6));
        for (var n = 0; n < 50; n++)
            Assert.Same(one[reference.Int(one.Length)], next(random));
    }

    [Fact]
    public void ATeacherTrainsOnASetOfTwoSizes()
    {
        using var scope = torch.NewDisposeScope();
        var set = Directory.CreateTempSubdirectory("longtake-").FullName;
        try
        {
            LatentSet.Write(
                set,
                new LatentSetInfo("", 8, 16, 16, "test", items),
                items.ToDictionary(i => i.Name, i => torch.full([4, 3, 4, i.Size == "16x16" ? 4 : 6], 1))
            );
            using var data = LatentSet.Open(set);
            Assert.Equal([1, 4, 3, 4, 6], data.Shape(items[6]));
            using var method = Teacher.Entry.Build(tiny.Stage(data: data), new FlowMatchingConfig { Batch = 3 });
            for (var n = 0; n < 6; n++)
                Assert.True(method.Updates.Single().Descend(new Rng(n), 1)["loss"] > 0);
        }
        finally
        {
            Directory.Delete(set, recursive: true);
        }
    }
}
