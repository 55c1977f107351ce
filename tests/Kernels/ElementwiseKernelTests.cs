using LongTake.Kernels;
using static LongTake.Tests.Kernels.Compare;
using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace LongTake.Tests.Kernels;

/// <summary>Norms, gated residual and GELU in one pass against libtorch's operators in float64.</summary>
[Collection(nameof(Alone))] // they set the vector width and the thread count of the process
public class ElementwiseKernelTests
{
    private const int B = 2,
        T = 3,
        S = 5;

    private static Tensor Norm(Tensor[] t, double offset, double eps) =>
        F.layer_norm(t[0], [t[0].size(-1)], null, null, eps) * (t[1] + offset) + t[2];

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.Float32, 48, 1)]
    [InlineData(ScalarType.Float32, ScalarType.Float32, 48, T)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16, 48, 1)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16, 61, T)]
    [InlineData(ScalarType.BFloat16, ScalarType.BFloat16, 61, 1)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32, 7, T)]
    public void ModulatedLayerNorm(ScalarType type, ScalarType to, int d, int frames) =>
        Same(
            t => LayerNormKernel.Forward(t[0], t[1], t[2], 1, 1e-6, to),
            t => Norm(t, 1, 1e-6),
            (Random(1, B, T, S, d) * 3 + 1).to(type),
            Random(2, B, frames, 1, d),
            Random(3, B, frames, 1, d)
        );

    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.Float32)]
    [InlineData(ScalarType.Float32, ScalarType.BFloat16)]
    [InlineData(ScalarType.BFloat16, ScalarType.BFloat16)]
    public void AffineLayerNormOverManyStretches(ScalarType type, ScalarType to)
    {
        foreach (var d in (long[])[48, 200])
        {
            Same(
                t => LayerNormKernel.Forward(t[0], t[1], t[2], 0, 1e-6, to),
                t => Norm(t, 0, 1e-6),
                Random(1, 2, 50, 16, d).to(type),
                Random(2, d),
                Random(3, d).to(type)
            );
        }
    }

    [Fact]
    public void LayerNormFarFromZero() =>
        Same(
            t => LayerNormKernel.Forward(t[0], t[1], t[2], 1, 1e-6, ScalarType.BFloat16),
            t => Norm(t, 1, 1e-6),
            Random(1, 3, 40, 192) + 8,
            Random(2, 3, 1, 192),
            Random(3, 3, 1, 192)
        );

    [Theory]
    [InlineData(ScalarType.Float32, false)]
    [InlineData(ScalarType.BFloat16, false)]
    [InlineData(ScalarType.Float32, true)]
    public void RowsMayLieApartInMemory(ScalarType type, bool transposed)
    {
        Tensor Part(Tensor m, int i) => transposed ? m.transpose(0, 1).narrow(2, i, 1) : m.select(2, i).unsqueeze(2);
        var all = transposed ? Random(2, T, B, 6, 48) : Random(2, B, T, 6, 48);
        Same(
            t =>
                GatedAddKernel.Forward(
                    LayerNormKernel.Forward(t[0], Part(t[1], 1), Part(t[1], 0), 1, 1e-6, type).to(ScalarType.Float32),
                    t[0],
                    Part(t[1], 2)
                ),
            t =>
                Norm([t[0], Part(t[1], 1), Part(t[1], 0)], 1, 1e-6).to(type).to(ScalarType.Float64)
                + t[0] * Part(t[1], 2),
            Random(1, B, T, S, 48),
            all
        );
    }

    private static Tensor Rms(Tensor x, Tensor weight, Tensor? cos, Tensor? sin)
    {
        var y = x * rsqrt((x * x).mean([-1L], keepdim: true) + 1e-6) * weight;
        if (cos is null)
            return y;
        var (c, s) = (cos.to(ScalarType.Float64), sin!.to(ScalarType.Float64));
        var pairs = y.reshape(x.size(0), x.size(1), -1, cos.size(-1), 2);
        var (re, im) = (pairs.select(4, 0), pairs.select(4, 1));
        return stack([re * c - im * s, re * s + im * c], 4).reshape(x.shape);
    }

    [Theory]
    [InlineData(ScalarType.Float32, 48, 2, 0)]
    [InlineData(ScalarType.Float32, 48, 2, 1)]
    [InlineData(ScalarType.Float32, 48, 2, 2)]
    [InlineData(ScalarType.BFloat16, 48, 2, 0)]
    [InlineData(ScalarType.BFloat16, 48, 2, 1)]
    [InlineData(ScalarType.BFloat16, 48, 2, 2)]
    [InlineData(ScalarType.Float32, 42, 3, 1)]
    [InlineData(ScalarType.BFloat16, 42, 3, 3)]
    [InlineData(ScalarType.Float32, 192, 4, 4)]
    [InlineData(ScalarType.BFloat16, 256, 2, 1)]
    public void RmsNormAndRotary(ScalarType type, int d, int heads, int tables)
    {
        const int n = 75;
        var angles = Random(4, 1, n, Math.Max(1, tables), d / heads / 2) * 3;
        var (cos, sin) = tables > 0 ? (angles.cos(), angles.sin()) : ((Tensor?)null, (Tensor?)null);
        Same(
            t => RmsNormKernel.Forward(t[0], t[1], cos, sin, 1e-6),
            t => Rms(t[0], t[1], cos, sin),
            Random(1, B, n, d).to(type),
            Random(2, d) * 0.3 + 1
        );
    }

    [Theory]
    [InlineData(ScalarType.Float32, 48, 1, true)]
    [InlineData(ScalarType.Float32, 48, T, true)]
    [InlineData(ScalarType.Float32, 61, 1, false)]
    [InlineData(ScalarType.BFloat16, 48, 1, true)]
    [InlineData(ScalarType.BFloat16, 61, T, true)]
    [InlineData(ScalarType.BFloat16, 48, 1, false)]
    public void GatedResidual(ScalarType type, int d, int frames, bool gated)
    {
        Tensor[] gate = gated ? [Random(3, B, frames, 1, d)] : [];
        Same(
            t => GatedAddKernel.Forward(t[0], t[1], gated ? t[2] : null),
            t => gated ? t[0] + t[1] * t[2] : t[0] + t[1],
            [Random(1, B, T, S, d), Random(2, B, T, S, d).to(type), .. gate]
        );
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void GeluOverItsWholeRange(ScalarType type)
    {
        Tensor Exact(Tensor x) => 0.5 * x * (1 + tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
        Same(t => GeluKernel.Forward(t[0]), t => Exact(t[0]), (arange(-6000, 6001, ScalarType.Float32) / 100).to(type));
        using var scope = NewDisposeScope();
        foreach (var width in Widths)
        {
            With(width, () =>
            {
                var far = GeluKernel
                    .Forward(tensor([float.NaN, -3e38f, -200, 0, 200, 3e38f, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]))
                    .data<float>();
                Assert.Equal([float.NaN, 0, 0, 0, 200, 3e38f], far.Take(6).Select(v => v == 0 ? 0 : v));
            });
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32, true)]
    [InlineData(ScalarType.Float32, false)]
    [InlineData(ScalarType.BFloat16, true)]
    [InlineData(ScalarType.BFloat16, false)]
    public void PixelNormInBothOrders(ScalarType type, bool silu)
    {
        using var scope = NewDisposeScope();
        foreach (var channels in (long[])[4, 37, 96])
        {
            var (x, gamma) = (Random(1, 2, channels, 3, 9, 7).to(type), Random(2, channels, 1, 1, 1) + 1);
            x.narrow(3, 0, 1).zero_();
            var d = x.to(ScalarType.Float64);
            var exact = d / d.pow(2).sum(1, keepdim: true).sqrt().clamp_min(1e-12) * gamma.to(ScalarType.Float64);
            if (silu)
                exact *= exact.sigmoid();
            var last = x.permute(0, 2, 3, 4, 1).contiguous().permute(0, 4, 1, 2, 3);
            foreach (var width in Widths)
            {
                With(width, () =>
                {
                    var plain = PixelNormKernel.Forward(x, gamma, silu);
                    Near(exact, plain, $"{width}, channels first");
                    Assert.True(plain.is_contiguous());
                    var other = PixelNormKernel.Forward(last, gamma, silu);
                    Near(exact, other, $"{width}, channels last");
                    Assert.Equal(last.stride(), other.stride());
                    Near(
                        exact.narrow(4, 1, 5),
                        PixelNormKernel.Forward(x.narrow(4, 1, 5), gamma, silu),
                        $"{width}, a part"
                    );
                });
            }
        }
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void StoresRoundToTheNearestAndTiesToEven(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var x = cat([
            Random(1, 4096) * 1e3,
            tensor([float.NaN, float.PositiveInfinity, 3.4e38f, 1.00390625f, 1.01171875f, 1e-40f, -0f, 0.5f]),
        ]);
        foreach (var width in Widths)
        {
            With(width, () =>
            {
                var zero = zeros([x.numel(), 1]);
                using var off = no_grad();
                var stored = GatedAddKernel.Forward(x.unsqueeze(1), zero, null);
                Assert.Equal(x.data<float>().ToArray(), stored.data<float>().ToArray());
                if (type == ScalarType.Float32)
                    return;
                var wide = x.unsqueeze(0).requires_grad_();
                using var on = enable_grad();
                var leaf = zeros([1, x.numel()], type).requires_grad_();
                GatedAddKernel.Forward(zeros([1, x.numel()]), leaf, ones([1, x.numel()])).backward([x.unsqueeze(0)]);
                var (expected, actual) = (
                    x.to(type).to(ScalarType.Float32).data<float>().ToArray(),
                    leaf.grad!.to(ScalarType.Float32).data<float>().ToArray()
                );
                Assert.Equal(expected, actual);
            });
        }
    }

    [Fact]
    public void RowsThatAreNotForRunsOfTokensAreRefused()
    {
        using var scope = NewDisposeScope();
        var e = Assert.Throws<ArgumentException>(() =>
            GatedAddKernel.Forward(zeros(2, 3, 5, 8), zeros(2, 3, 5, 8), zeros(1, 3, 1, 8))
        );
        Assert.Contains("not for runs of the tokens", e.Message);
        Assert.Throws<ArgumentException>(() =>
            LayerNormKernel.Forward(zeros(2, 8), zeros(8), zeros(1, 8), 0, 1e-6, ScalarType.Float32)
        );
        Assert.Throws<ArgumentException>(() =>
            LayerNormKernel.Forward(zeros(2, 8), zeros(4), zeros(4), 0, 1e-6, ScalarType.Float32)
        );
        Assert.Throws<ArgumentException>(() => GeluKernel.Forward(zeros([4], ScalarType.Float64)));
        Assert.Throws<ArgumentException>(() =>
            RmsNormKernel.Forward(zeros(2, 8), ones(8), ones(3, 4), ones(3, 4), 1e-6)
        );
    }
}
