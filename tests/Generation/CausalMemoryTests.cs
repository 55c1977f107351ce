using System.Text.Json;
using LongTake.Diffusion;
using LongTake.Generation;
using LongTake.Methods;
using LongTake.Models;
using LongTake.Models.Text;
using LongTake.Models.Wan;
using LongTake.Tests.Models;

namespace LongTake.Tests.Generation;

/// <summary>Counts live tensors, so nothing may run beside it.</summary>
[Collection(nameof(Alone))]
public class CausalMemoryTests
{
    internal static readonly WanConfig Config = new()
    {
        TextLength = 5,
        Dim = 48,
        FfnDim = 64,
        FreqDim = 16,
        TextDim = 8,
        Heads = 2,
        Layers = 2,
    };

    [Fact]
    public void AVideoOfAnyLengthNeedsTheSameTensors()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var g = new torch.Generator((ulong)(1));
        using var weights = Weights.Create(new Rng(1));
        var wan = new CausalWanTransformer(weights, Config, ScalarType.Float32);
        var how = new CausalSampling
        {
            BlockFrames = 2,
            Window = 4,
            Sink = 1,
            Positions = CachePositions.Window,
        };
        var text = torch.randn([1, 5, 8], generator: g);
        var before = LiveTensors.Settled();
        var live = new List<(long Tensors, long Bytes)>();
        using (torch.NewDisposeScope())
        {
            using var cache = how.Cache();
            CausalRollOut.Generate(
                wan,
                how,
                cache,
                [new(0, text)],
                torch.randn([1, 16, 16, 4, 4], generator: g),
                shape => torch.randn(shape, generator: g),
                called: call =>
                {
                    if (call.X0 is null)
                        live.Add((Tensor.TotalCount, cache.Bytes));
                }
            );
        }
        Assert.Equal(before, Tensor.TotalCount);
        Assert.Equal(8, live.Count);
        Assert.Single(live.Skip(2).Distinct()); // the window is full after two blocks
    }
}
