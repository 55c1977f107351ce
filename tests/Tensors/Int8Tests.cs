using LongTake.Nn;

namespace LongTake.Tests.Tensors;

/// <summary>Matrices stored as int8 beside the same in floats.</summary>
[Collection(nameof(Alone))] // live tensors are counted
public class Int8Tests
{
    [Theory]
    [InlineData(ScalarType.Float32, 3e-6)]
    [InlineData(ScalarType.BFloat16, 8e-3)]
    public void ProductsAreThoseOfTheRoundedMatrix(ScalarType dtype, double allowed)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(2));
        // Rows of very different sizes: each has a scale of its own.
        var (x, weight, bias) = (
            torch.randn([2, 50, 130], generator: g).to(dtype),
            torch.randn([70, 130], generator: g) * torch.randn([70, 1], generator: g).pow(2),
            torch.randn([70], generator: g)
        );
        var scale = weight.abs().amax([-1], keepdim: true) / 127;
        var exact =
            x.to(ScalarType.Float64).matmul(((weight / scale).round() * scale).to(ScalarType.Float64).transpose(0, 1))
            + bias.to(ScalarType.Float64);
        using var matrix = new Int8Matrix(weight);
        var ours = Products.Linear(x, matrix.Widened(), bias);
        Assert.Equal(dtype, ours.dtype);
        Assert.InRange(((exact - ours.to(ScalarType.Float64)).norm() / exact.norm()).ToDouble(), 0, allowed);
        var loss = (
            (
                x.to(ScalarType.Float64).matmul(weight.to(ScalarType.Float64).transpose(0, 1))
                + bias.to(ScalarType.Float64)
                - exact
            ).norm() / exact.norm()
        ).ToDouble();
        Assert.InRange(loss, 1e-4, 0.02);
    }

    [Fact]
    public void OnlyTheBytesStay()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(3));
        var (weight, bias) = (torch.randn([96, 64], generator: g), torch.randn([96], generator: g));
        var before = LiveTensors.Settled();
        using (torch.NewDisposeScope())
        using (
            var weights = Weights.LoadInt8(
                n => n.EndsWith("weight") ? weight : bias,
                n => n.StartsWith("blocks."),
                ScalarType.BFloat16
            )
        )
        {
            var (inside, outside) = (
                new LongTake.Nn.Linear(weights / "blocks" / 0, 64, 96),
                new LongTake.Nn.Linear(weights / "head", 64, 96)
            );
            var x = torch.randn([5, 64], generator: g).to(ScalarType.BFloat16);
            Assert.True(
                (inside.Forward(x).to(ScalarType.Float32) - outside.Forward(x).to(ScalarType.Float32)).norm().ToDouble()
                    < 0.02 * outside.Forward(x).to(ScalarType.Float32).norm().ToDouble()
            );
            Assert.Equal(96 * 64 + 4 * 96, (weights / "blocks" / 0).Int8("weight")!.Bytes);
            Assert.Equal([96, 64], weights.All.First().Value.shape);
        }
        Assert.Equal(before, Tensor.TotalCount);
    }
}
