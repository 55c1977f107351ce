using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class ConvolutionTests
{
    /// <summary>
    /// Values and gradients beside sums of products of taps in float64, which no convolution of libtorch has a part in.
    /// </summary>
    [Theory]
    [InlineData(1, 3, 3, 3, 1)]
    [InlineData(2, 36, 72, 1, 1)]
    [InlineData(2, 17, 20, 3, 1)]
    [InlineData(1, 16, 12, 3, 2)]
    [InlineData(1, 24, 16, 3, 1)]
    [InlineData(2, 48, 48, 3, 2)]
    public void EveryNumberOfChannelsIsRight(long batch, long inputs, long outputs, long kernel, long stride)
    {
        using var scope = torch.NewDisposeScope();
        using var random = new torch.Generator(1);
        Tensor Draw(params long[] shape) => torch.randn(shape, ScalarType.Float64, generator: random);
        var (x, w, b) = (Draw(batch, inputs, 3, 8, 8), Draw(outputs, inputs, kernel, kernel, kernel), Draw(outputs));
        var size = (8 + 2 * (kernel / 2) - kernel) / stride + 1;
        var gradient = Draw(batch, outputs, 3, size, size);
        var exact = Values((p, q, r) => Taps(p, q, r, stride), x, w, b, gradient);
        foreach (var (type, allowed) in new[] { (ScalarType.Float32, 1e-6), (ScalarType.BFloat16, 1e-2) })
        {
            long[] border = [kernel / 2, kernel / 2, kernel / 2];
            var ours = Values(
                (p, q, r) => Convolution.Forward(p, q, r, [1, stride, stride], border),
                x.to(type),
                w.to(type),
                b.to(type),
                gradient.to(type)
            );
            foreach (var (e, o) in exact.Zip(ours))
                Assert.InRange(((e - o.to(ScalarType.Float64)).norm() / e.norm()).item<double>(), 0, allowed);
            using var off = torch.no_grad(); // without a graph neighbours are gathered
            var plain = Convolution.Forward(x.to(type), w.to(type), b.to(type), [1, stride, stride], border);
            Assert.InRange(
                ((exact[0] - plain.to(ScalarType.Float64)).norm() / exact[0].norm()).item<double>(),
                0,
                allowed
            );
        }
    }

    /// <summary>
    /// Winograd's way beside the sum in float64, with the error of the direct way: for float32 alike, for bfloat16 not
    /// three times as large.
    /// </summary>
    [Theory]
    [InlineData(64, 96, 3, 6, 8)]
    [InlineData(96, 64, 1, 5, 2)]
    [InlineData(192, 192, 2, 7, 16)]
    public void ColumnsGiveTheSameSums(long inputs, long outputs, long frames, long height, long width)
    {
        using var scope = torch.NewDisposeScope();
        using var off = torch.no_grad();
        using var random = new torch.Generator(1);
        Tensor Draw(params long[] shape) => torch.randn(shape, ScalarType.Float64, generator: random);
        var (x, w, b) = (Draw(2, inputs, frames + 2, height, width), Draw(outputs, inputs, 3, 3, 3), Draw(outputs));
        var exact = torch.nn.functional.conv3d(x, w, b, [1, 1, 1], [0, 1, 1]);
        foreach (var (type, allowed) in new[] { (ScalarType.Float32, 1e-6), (ScalarType.BFloat16, 1e-2) })
        {
            var (p, q, r) = (x.to(type), w.to(type), b.to(type));
            Assert.True(Convolution.TakesColumns(p, q));
            double Error(Tensor y) => ((exact - y.to(ScalarType.Float64)).norm() / exact.norm()).ToDouble();
            var direct = Error(Convolution.Forward(p, q, r, [1, 1, 1], [0, 1, 1]));
            var ours = Error(Convolution.ByColumns(p, Convolution.Columns(q), r, 1));
            Assert.True(
                ours < allowed && ours < Math.Max(3 * direct, allowed / 10),
                $"{type}: {ours:g3}, directly {direct:g3}"
            );
        }
    }

    /// <summary>Without a graph, at random sizes: degenerate ones are among them.</summary>
    [Fact]
    public void RandomSizesAreRight()
    {
        using var off = torch.no_grad();
        var random = new Random(3);
        (long, long, long)[] kernels = [(3, 1, 1), (1, 2, 2), (1, 3, 3), (3, 3, 3), (1, 1, 1)];
        for (var trial = 0; trial < 300; trial++)
        {
            using var scope = torch.NewDisposeScope();
            using var g = new torch.Generator((ulong)trial);
            var (t, h, w) = kernels[random.Next(kernels.Length)];
            var (batch, inputs, outputs, stride) = (
                random.Next(1, 4),
                random.Next(1, 50),
                random.Next(1, 50),
                random.Next(1, 3)
            );
            var x = torch.randn(
                [batch, inputs, t + random.Next(4), h + random.Next(9), w + random.Next(9)],
                generator: g
            );
            var (weight, bias) = (
                torch.randn([outputs, inputs, t, h, w], generator: g),
                torch.randn([outputs], generator: g)
            );
            long[] strides = [1, stride, stride],
                borders = [0, h == 3 ? 1 : 0, h == 3 ? 1 : 0];
            Tensor Wide(Tensor y) => y.to(ScalarType.Float64);
            // in float64 oneDNN has no part
            var exact = torch.nn.functional.conv3d(Wide(x), Wide(weight), Wide(bias), strides, borders);
            foreach (var (type, allowed) in new[] { (ScalarType.Float32, 1e-5), (ScalarType.BFloat16, 2e-2) })
            {
                var ours = Convolution.Forward(x.to(type), weight.to(type), bias.to(type), strides, borders);
                var error = ((exact - Wide(ours)).norm() / exact.norm()).ToDouble();
                Assert.True(
                    error < allowed,
                    $"[{string.Join(", ", x.shape)}] with [{string.Join(", ", weight.shape)}], stride "
                        + $"{stride}, {type}: {error:g3}"
                );
            }
        }
    }

    [Fact]
    public void AConvolutionOfADoubledPictureIsThatOfItsPixelsRepeated()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator(1);
        var (x, w, b) = (
            torch.randn([2, 20, 3, 5, 7], generator: g),
            torch.randn([12, 20, 1, 3, 3], generator: g),
            torch.randn([12], generator: g)
        );
        var doubled = x.repeat_interleave(2, 3).repeat_interleave(2, 4);
        var exact = torch.nn.functional.conv3d(
            doubled.to(ScalarType.Float64),
            w.to(ScalarType.Float64),
            b.to(ScalarType.Float64),
            [1, 1, 1],
            [0, 1, 1]
        );
        Assert.InRange((exact - Convolution.OfDoubled(x, w, b)).abs().max().ToDouble(), 0, 1e-4);
    }

    [Fact]
    public void ALayerOfPatchesIsTheConvolutionWithoutOverlap()
    {
        using var scope = torch.NewDisposeScope();
        using var random = new torch.Generator(1);
        var (x, w, b) = (
            torch.randn([2, 36, 2, 4, 6], generator: random),
            torch.randn([72, 36, 1, 2, 2], generator: random),
            torch.randn([72], generator: random)
        );
        var convolved = Convolution.Forward(x, w, b, [1, 2, 2], [0, 0, 0]).reshape(2, 72, 2, 6).permute(0, 2, 3, 1);
        Assert.InRange((convolved - Convolution.OfPatches(x, w, b)).abs().max().item<float>(), 0, 1e-4);
    }

    private static Tensor[] Values(
        Func<Tensor, Tensor, Tensor, Tensor> convolution,
        Tensor x,
        Tensor w,
        Tensor b,
        Tensor gradient
    )
    {
        Tensor[] leaves = [.. new[] { x, w, b }.Select(t => t.detach().clone().requires_grad_())];
        var y = convolution(leaves[0], leaves[1], leaves[2]);
        y.backward([gradient]);
        return [y.detach(), .. leaves.Select(t => t.grad!)];
    }

    private static Tensor Taps(Tensor x, Tensor w, Tensor b, long stride)
    {
        var (size, border) = (w.size(2), w.size(2) / 2);
        var padded = torch.nn.functional.pad(x, [border, border, border, border, border, border]);
        var (frames, side) = (x.size(2), (x.size(3) + 2 * border - size) / stride + 1);
        var y = b.reshape(1, -1, 1, 1, 1);
        for (var t = 0; t < size; t++)
        for (var i = 0; i < size; i++)
        for (var j = 0; j < size; j++)
        {
            var rows = torch.arange(i, i + stride * side, stride);
            var columns = torch.arange(j, j + stride * side, stride);
            var seen = padded.narrow(2, t, frames).index_select(3, rows).index_select(4, columns);
            y = y + torch.einsum("bcthw,oc->bothw", seen, w[.., .., t, i, j]);
        }
        return y;
    }
}
