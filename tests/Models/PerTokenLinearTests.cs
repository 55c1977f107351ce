using LongTake.Models.Miniature;
using LongTake.Models.Text;
using LongTake.Models.Wan;

namespace LongTake.Tests.Models;

public class PerTokenLinearTests
{
    /// <summary>Token by token, with the map of its place; frame 0 has maps of its own.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void EveryTokenGoesThroughTheMapOfItsPlace(int frames)
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var map = new PerTokenLinear(weights, 3, 5, 7, std: 1);
        using var g = new torch.Generator((ulong)(2));
        weights.All.Single(p => p.Key == "bias").Value.copy_(torch.randn([2, 3, 1, 7], generator: g));
        var (w, bias) = (weights.All.First().Value, weights.All.Last().Value);
        var x = torch.randn([2, frames, 3, 5], generator: g);
        var y = map.Forward(x, ScalarType.Float32);
        Assert.Equal([2, frames, 3, 7], y.shape);
        for (var b = 0; b < 2; b++)
        for (var t = 0; t < frames; t++)
        for (var s = 0; s < 3; s++)
        {
            var kind = t == 0 ? 0 : 1;
            Near.Equal(x[b][t][s].unsqueeze(0).matmul(w[kind][s]) + bias[kind][s], y[b][t][s].unsqueeze(0), 1e-5, 1e-5);
        }
    }

    [Fact]
    public void NeighboursThatShareTheirWeightsHaveTheMapsOfARepeatedOne()
    {
        using var scope = torch.NewDisposeScope();
        using Weights few = Weights.Create(new Rng(1)),
            all = Weights.Create(new Rng(1));
        var (shared, own) = (
            new PerTokenLinear(few, 4, 5, 7, std: 1, shared: 2),
            new PerTokenLinear(all, 4, 5, 7, std: 1)
        );
        Tensor Of(Weights weights, string name) => weights.All.Single(p => p.Key == name).Value;
        Assert.Equal([2, 2, 5, 7], Of(few, "weight").shape);
        Assert.Equal([2, 4, 1, 7], Of(few, "bias").shape);
        using var g = new torch.Generator((ulong)(2));
        using (torch.no_grad())
        {
            Of(few, "bias").copy_(torch.randn([2, 4, 1, 7], generator: g));
            Of(all, "bias").copy_(Of(few, "bias"));
            Of(all, "weight").copy_(Of(few, "weight").repeat_interleave(2, dim: 1));
        }
        var x = torch.randn([2, 3, 4, 5], generator: g);
        Near.Equal(own.Forward(x, ScalarType.Float32), shared.Forward(x, ScalarType.Float32), 1e-5, 1e-5);
        foreach (var weights in (Weights[])[few, all])
            Of(weights, "weight").requires_grad_(true);
        shared.Forward(x, ScalarType.Float32).square().sum().backward();
        own.Forward(x, ScalarType.Float32).square().sum().backward();
        Near.Equal(Of(all, "weight").grad!.reshape(2, 2, 2, 5, 7).sum(2), Of(few, "weight").grad!, 1e-3, 1e-4);
    }

    [Fact]
    public void AnotherPictureSizeIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var map = new PerTokenLinear(weights, 3, 5, 7, std: 1);
        Assert.Contains(
            "maps for 3 places",
            Assert.Throws<UserException>(() => map.Forward(torch.zeros([1, 2, 4, 5]), ScalarType.Float32)).Message
        );
    }

    /// <summary>
    /// The patches of a placed embedding and head lie as those of Wan's: with the same map everywhere both are equal.
    /// </summary>
    [Fact]
    public void WithOneMapForAllPlacesItIsWansPatchEmbeddingAndHead()
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        var wan = new WanConfig
        {
            PatchSize = [1, 1, 2],
            TextLength = 8,
            InChannels = 4,
            OutChannels = 4,
            Dim = 24,
            FfnDim = 32,
            FreqDim = 16,
            TextDim = 8,
            Heads = 2,
            Layers = 2,
        };
        using var weights = Weights.Create(new Rng(1));
        var plain = new WanModel(wan);
        var (patches, output) = (
            new WanPatches(weights / "patch_embedding", wan, ScalarType.Float32),
            plain.Output(weights / "head")
        );
        using var g = new torch.Generator((ulong)(2));
        foreach (var (_, t) in weights.All)
            t.copy_(torch.randn(t.shape, generator: g) * 0.1);
        using var file = Weights.Load(name =>
            weights.Source()(name) is not { } t
                ? null
                : name switch
                {
                    "patch_embedding.weight" => t.reshape(24, -1)
                        .transpose(0, 1)
                        .reshape(1, 1, 8, 24)
                        .expand(2, 4, 8, 24),
                    "head.head.weight" => t.transpose(0, 1).reshape(1, 1, 24, 8).expand(2, 4, 24, 8),
                    "patch_embedding.bias" or "head.head.bias" => t.reshape(1, 1, 1, -1).expand(2, 4, 1, t.numel()),
                    _ => t,
                }
        );
        var own = new MiniatureConfig { Tokens = 4 };
        var placed = new MiniaturePatches(file, wan, own, 3, ScalarType.Float32);
        var placedOutput = new MiniatureOutput(file / "head", wan, tokens: 4);
        var (x, time) = (torch.randn([2, 4, 3, 2, 4], generator: g), torch.full([2], 500));
        var tokens = patches.Forward(x, inside: false);
        Near.Equal(tokens, placed.Forward(x, inside: false), 1e-5, 1e-5);

        // Half way from noise, preconditioning adds nothing of x and doubles the root of the power, which is a half.
        var state = new WanState
        {
            X = tokens,
            Modulation = torch.zeros([2, 1, 6, 24]),
            Time = torch.randn([2, 1, 24], generator: g),
            Text = torch.zeros([2, 5, 24]),
            Cos = torch.zeros([1]),
            Sin = torch.zeros([1]),
        };
        var v = output.Forward(state, x, time);
        Near.Equal(v * Math.Sqrt(2), placedOutput.Forward(state, x, time), 1e-5, 1e-5);
    }
}
