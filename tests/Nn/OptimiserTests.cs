using LongTake.Nn;

namespace LongTake.Tests.Nn;

public class OptimiserTests
{
    private static KeyValuePair<string, Tensor>[] One(string name, Tensor p) => [KeyValuePair.Create(name, p)];

    [Theory]
    [InlineData(0.9, 0.1)]
    [InlineData(0.0, 0.0)]
    public void AdamWIsTheSlowObviousFormula(double beta1, double decay)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var c = new OptimiserConfig
        {
            Lr = 0.03,
            Beta1 = beta1,
            Beta2 = 0.95,
            WeightDecay = decay,
        };
        var p = torch.randn([2, 3], generator: g).requires_grad_();
        double[] w = p.detach().to(ScalarType.Float64).ToArray<double>(),
            m = new double[6],
            v = new double[6];
        using var optimiser = new Optimiser("test", One("p", p), c);
        for (var step = 1; step <= 7; step++)
        {
            var gradient = torch.randn([2, 3], generator: g);
            (p * gradient).sum().Backward();
            var (factor, clip) = (step / 7.0, step % 2 == 0 ? 0.5 : 1);
            for (var i = 0; i < 6; i++)
            {
                var slope = gradient.ToArray<float>()[i] * clip;
                m[i] = beta1 * m[i] + (1 - beta1) * slope;
                v[i] = 0.95 * v[i] + 0.05 * slope * slope;
                var (mHat, vHat) = (m[i] / (1 - Math.Pow(beta1, step)), v[i] / (1 - Math.Pow(0.95, step)));
                w[i] -= factor * 0.03 * (mHat / (Math.Sqrt(vHat) + 1e-8) + decay * w[i]);
            }
            optimiser.Step(factor, clip);
            optimiser.ZeroGrad();
        }
        Near.Equal(Tensor.From<double>(w, 2, 3), p.detach(), 1e-6);
        Assert.Equal(7, optimiser.Steps);
    }

    [Fact]
    public void VectorsAreNotDecayedAndWhatHasNoGradientStays()
    {
        using var scope = torch.NewDisposeScope();
        var (vector, still) = (torch.ones([3]).requires_grad_(), torch.ones([2, 2]).requires_grad_());
        using var optimiser = new Optimiser(
            "test",
            [.. One("v", vector), .. One("s", still)],
            new OptimiserConfig { Lr = 0.1, WeightDecay = 0.5 }
        );
        (vector * 0).sum().Backward();
        optimiser.Step(1);
        Assert.Equal([1f, 1, 1], vector.detach().ToArray<float>());
        Assert.Equal([1f, 1, 1, 1], still.detach().ToArray<float>());
        Assert.Equal(0, optimiser.GradientNorm());
    }

    [Fact]
    public void TheNormIsThatOfAllGradientsTogether()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = (torch.zeros([2]).requires_grad_(), torch.zeros([1, 2]).requires_grad_());
        using var optimiser = new Optimiser("test", [.. One("a", a), .. One("b", b)], new());
        (a.sum() * 2 + b.sum() * 1).Backward();
        Assert.Equal(Math.Sqrt(4 + 4 + 1 + 1), optimiser.GradientNorm(), 1e-6);
    }

    [Theory]
    [InlineData(16, 40, 1.0)]
    [InlineData(64, 16, 2.0)] // tall: larger by the root of the ratio
    [InlineData(20, 20, 1.0)]
    public void MuonMovesByAMatrixWithSingularValuesNearOne(long rows, long columns, double scale)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(2));
        var p = torch.zeros([rows, columns]).requires_grad_();
        using var optimiser = new Optimiser(
            "test",
            One("blocks.0.ffn.weight", p),
            new OptimiserConfig { MuonLr = 0.02, WeightDecay = 0 }
        );
        (p * torch.randn([rows, columns], generator: g) * 1e-3).sum().Backward();
        optimiser.Step(1);
        var moved = p.detach() / (-0.02 * scale);
        var singular = Singular(rows <= columns ? moved : moved.transpose(0, 1));
        Assert.All(singular, s => Assert.InRange(s, 0.4, 1.35)); // what five steps with these coefficients reach
        Assert.InRange(singular.Average(), 0.8, 1.15);
        Assert.Single(optimiser.State); // momentum alone
    }

    /// <summary>Singular values of a wide matrix: roots of the eigenvalues of x x^T, by Jacobi rotations.</summary>
    private static double[] Singular(Tensor x)
    {
        var n = (int)x.size(0);
        var flat = x.to(ScalarType.Float64)
            .matmul(x.to(ScalarType.Float64).transpose(0, 1))
            .contiguous()
            .ToArray<double>();
        for (var sweep = 0; sweep < 30; sweep++)
        for (var p = 0; p < n; p++)
        for (var q = p + 1; q < n; q++)
        {
            if (Math.Abs(flat[p * n + q]) < 1e-14)
                continue;
            var angle = 0.5 * Math.Atan2(2 * flat[p * n + q], flat[q * n + q] - flat[p * n + p]);
            var (c, s) = (Math.Cos(angle), Math.Sin(angle));
            for (var k = 0; k < n; k++)
                (flat[p * n + k], flat[q * n + k]) = (
                    c * flat[p * n + k] - s * flat[q * n + k],
                    s * flat[p * n + k] + c * flat[q * n + k]
                );
            for (var k = 0; k < n; k++)
                (flat[k * n + p], flat[k * n + q]) = (
                    c * flat[k * n + p] - s * flat[k * n + q],
                    s * flat[k * n + p] + c * flat[k * n + q]
                );
        }
        return [.. Enumerable.Range(0, n).Select(i => Math.Sqrt(Math.Max(0, flat[i * n + i])))];
    }

    [Fact]
    public void MuonTakesLargeMatricesAndKernelsAndNothingElse()
    {
        using var scope = torch.NewDisposeScope();
        (string Name, long[] Shape)[] muon =
        [
            ("blocks.0.q.weight", [16, 16]),
            ("decoder.conv.weight", [16, 8, 3, 1, 1]),
        ];
        (string Name, long[] Shape)[] adam =
        [
            ("blocks.0.q.bias", [16]),
            ("blocks.0.small.weight", [8, 32]),
            ("head.head.weight", [16, 16]),
            ("blocks.0.modulation", [1, 6, 32]),
            ("blocks.0.pos_embedding.embedding.weight", [32, 16]),
        ];
        var parameters = muon.Concat(adam)
            .Select(p => KeyValuePair.Create(p.Name, torch.zeros(p.Shape).requires_grad_()))
            .ToArray();
        using var optimiser = new Optimiser("test", parameters, new OptimiserConfig { MuonLr = 0.02 });
        foreach (var (_, p) in parameters)
            (p * 3).sum().Backward();
        optimiser.Step(1);
        Assert.Equal(
            adam.Select(p => p.Name),
            optimiser.State.Where(s => s.Key.EndsWith(".v")).Select(s => s.Key[..^2])
        );
        Assert.Equal(muon.Length + adam.Length, optimiser.State.Count(s => s.Key.EndsWith(".m")));
    }

    [Fact]
    public void ASavedStateGoesOnAsIfNothingHadHappened()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(3));
        var c = new OptimiserConfig { Lr = 0.01, MuonLr = 0.02 };
        Tensor a = torch.ones([16, 16]).requires_grad_(),
            b = torch.ones([16, 16]).requires_grad_();
        using var first = new Optimiser("test", [.. One("a", a), .. One("embedding", b)], c);
        void Step(Optimiser o, Tensor gradient)
        {
            foreach (var (_, p) in o.Parameters)
                (p * gradient).sum().Backward();
            o.Step(0.5);
            o.ZeroGrad();
        }
        for (var i = 0; i < 3; i++)
            Step(first, torch.randn([16, 16], generator: g));
        Tensor a2 = a.detach().clone().requires_grad_(),
            b2 = b.detach().clone().requires_grad_();
        using var second = new Optimiser("test", [.. One("a", a2), .. One("embedding", b2)], c);
        second.Load(first.State.ToDictionary().GetValueOrDefault, first.Steps);
        var next = torch.randn([16, 16], generator: g);
        Step(first, next);
        Step(second, next);
        Assert.True(a.detach().SameAs(a2.detach()) && b.detach().SameAs(b2.detach()));
    }

    [Fact]
    public void TheRateWarmsUpStaysAndFalls()
    {
        var c = new OptimiserConfig
        {
            WarmUp = 10,
            FlatUntil = 0.5,
            EndsAt = 0.2,
        };
        Assert.Equal(0.1, c.Factor(0, 100), 1e-12);
        Assert.Equal(1, c.Factor(9, 100), 1e-12);
        Assert.Equal(1, c.Factor(50, 100), 1e-12);
        Assert.Equal(0.6, c.Factor(75, 100), 1e-12);
        Assert.Equal(0.2, c.Factor(100, 100), 1e-12);
        Assert.Equal(1, (c with { WarmUp = 0 }).Factor(0, 100), 1e-12);
    }

    [Fact]
    public void AnAverageFollowsItsFormulaAndHoldsNoGradient()
    {
        using var scope = torch.NewDisposeScope();
        using var weights = Weights.Create(new Rng(1));
        var p = (weights / "a").Parameter("w", [3], 1).requires_grad_();
        using var average = Ema.Copy(weights);
        var copy = average.All.Single();
        Assert.Equal("a.w", copy.Key);
        Assert.False(copy.Value.requires_grad);
        var expected = p.detach().ToArray<float>().Select(v => (double)v).ToArray();
        for (var step = 0; step < 4; step++)
        {
            using (torch.no_grad())
                p.add_(torch.ones([3]), step);
            Ema.Update(average, weights, 0.9);
            expected = [.. expected.Zip(p.detach().ToArray<float>(), (e, now) => 0.9 * e + 0.1 * now)];
        }
        Near.Equal(Tensor.From<double>(expected), copy.Value.to(ScalarType.Float64), 1e-6);
    }
}
