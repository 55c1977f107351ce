using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class ProductsTests
{
    /// <summary>
    /// Values and gradients beside the same in float64, in float32 and in bfloat16, where the graph has a node of our
    /// own.
    /// </summary>
    [Theory]
    [InlineData(ScalarType.Float32, 1e-5)]
    [InlineData(ScalarType.BFloat16, 1e-2)]
    public void ALayerAndItsGradientsAreThoseOfFloat64(ScalarType type, double allowed)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator(1);
        var (x, w, b) = (
            torch.randn([3, 50, 40], generator: g).to(type),
            torch.randn([30, 40], generator: g),
            torch.randn([30], generator: g)
        );
        var slope = torch.randn([3, 50, 30], generator: g).to(type);
        Tensor[] Of(Func<Tensor, Tensor, Tensor, Tensor> layer, Tensor p, Tensor q, Tensor r, Tensor s)
        {
            Tensor[] leaves = [.. new[] { p, q, r }.Select(t => t.detach().clone().requires_grad_())];
            var y = layer(leaves[0], leaves[1], leaves[2]);
            y.Backward(s);
            return [y.detach(), .. leaves.Select(t => t.grad!)];
        }
        Tensor Wide(Tensor t) => t.to(ScalarType.Float64);
        var exact = Of((p, q, r) => torch.nn.functional.linear(p, q, r), Wide(x), Wide(w), Wide(b), Wide(slope));
        var ours = Of(Products.Linear, x, w, b, slope);
        Assert.Equal([type, type, ScalarType.Float32, ScalarType.Float32], ours.Select(t => t.dtype));
        foreach (var (e, o) in exact.Zip(ours))
            Assert.InRange(((e - Wide(o)).norm() / e.norm()).ToDouble(), 0, allowed);
    }

    [Fact]
    public void PlacesHaveLayersOfTheirOwn()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator(1);
        var (x, w, b) = (
            torch.randn([2, 7, 4, 6], generator: g),
            torch.randn([4, 5, 6], generator: g),
            torch.randn([4, 5], generator: g)
        );
        var y = Products.PerPlace(x, w, b);
        for (var place = 0; place < 4; place++)
        {
            var one = torch.nn.functional.linear(x.select(2, place), w[place], b[place]);
            Assert.InRange((y.select(2, place) - one).abs().max().ToDouble(), 0, 1e-5);
        }
    }
}
