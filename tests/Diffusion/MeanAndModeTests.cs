using LongTake.Diffusion;
using LongTake.Nn;

namespace LongTake.Tests.Diffusion;

/// <summary>
/// The paper's title in one dimension, trained with the real losses and optimiser against scores that are closed forms:
/// the student is one Gaussian N(m, s^2) and its critic is exact.
/// </summary>
public class MeanAndModeTests
{
    private const int Levels = 16,
        Points = 64;

    private static Tensor Shape(Tensor x) => x.reshape(-1, 1, 1, 1, 1);

    /// <summary>All that is random in a step: levels, normal draws, sides; a row a level.</summary>
    private sealed class Noise(int seed, int step, double from, double to, double shift, int rows = Levels)
        : IDisposable
    {
        private readonly Rng random = new(seed, step);
        private readonly torch.Generator g = new((ulong)new Rng(seed, step, 1).Seed());

        public Tensor Sigma() =>
            Tensor.From<float>([
                .. Enumerable
                    .Range(0, rows)
                    .Select(_ => (float)Math.Clamp(Times.Shift(random.Uniform(), shift), from, to)),
            ]);

        public Tensor Draw() => torch.randn([rows, 1, 1, 1, Points], generator: g);

        /// <summary>-1 or 1, the modes' sides.</summary>
        public Tensor Sides() =>
            Tensor.From<float>(
                [.. Enumerable.Range(0, rows * Points).Select(_ => random.Uniform() < .5 ? -1f : 1)],
                rows,
                1,
                1,
                1,
                Points
            );

        public void Dispose() => g.Dispose();
    }

    /// <summary>E[x0 | x_sigma] of N(m, s^2).</summary>
    private static Tensor Posterior(Tensor xt, Tensor sigma, Tensor m, Tensor variance)
    {
        var a = 1 - sigma;
        return m + a * variance / (a * a * variance + sigma * sigma) * (xt - a * m);
    }

    /// <summary>E[x0 | x_sigma] of the two modes centre +- 2, each of std .3.</summary>
    private static Tensor TwoModes(Tensor xt, Tensor sigma, Tensor centre)
    {
        const double spread = 2,
            variance = .09;
        var (a, v) = (1 - sigma, torch.full([1], variance));
        var right = ((xt - a * centre) * a * (2 * spread) / (a * a * variance + sigma * sigma)).sigmoid();
        return Posterior(xt, sigma, centre + spread, v) * right
            + Posterior(xt, sigma, centre - spread, v) * (1 - right);
    }

    /// <summary>Mode seeking: the surrogate of the student's samples against teacher and exact critic.</summary>
    private static Tensor ModeSeeking(Noise n, Tensor m, Tensor logS, Func<Tensor, Tensor, Tensor> teacher)
    {
        var x = m + logS.exp() * n.Draw();
        Tensor gradient;
        using (torch.no_grad())
        {
            var sigma = n.Sigma();
            var (xt, s) = (Flow.Noisy(x, n.Draw(), sigma), Flow.Spread(sigma));
            gradient = DistributionMatching.Gradient(x.detach(), teacher(xt, s), Posterior(xt, s, m, (logS * 2).exp()));
        }
        return DistributionMatching.Surrogate(x, gradient);
    }

    /// <summary>Mean seeking: flow matching of the Gaussian's velocity on samples of both modes.</summary>
    private static Tensor MeanSeeking(Noise n, Tensor m, Tensor logS, Tensor centre)
    {
        var (x0, noise, sigma) = (centre + n.Sides() * 2 + n.Draw() * .3, n.Draw(), n.Sigma());
        var (xt, s) = (Flow.Noisy(x0, noise, sigma), Flow.Spread(sigma));
        return Flow.Loss((xt - Posterior(xt, s, m, (logS * 2).exp())) / s, x0, noise);
    }

    private static void Train(int steps, IReadOnlyList<KeyValuePair<string, Tensor>> parameters, Func<int, Tensor> loss)
    {
        var c = new OptimiserConfig
        {
            Lr = .05,
            Beta1 = .5,
            WarmUp = 10,
            EndsAt = .02,
            WeightDecay = 0,
        };
        using var optimiser = new Optimiser("toy", parameters, c);
        for (var step = 0; step < steps; step++)
        {
            using var scope = torch.NewDisposeScope();
            loss(step).Backward();
            optimiser.Step(c.Factor(step, steps));
            optimiser.ZeroGrad();
        }
    }

    private static (Tensor M, Tensor LogS) Student(double m, double s) =>
        (torch.full([1, 1, 1, 1, 1], m).requires_grad_(), torch.full([1, 1, 1, 1, 1], Math.Log(s)).requires_grad_());

    private static KeyValuePair<string, Tensor>[] Named(params Tensor[] tensors) =>
        [.. tensors.Select((t, i) => KeyValuePair.Create($"p{i}", t))];

    [Theory]
    [InlineData(1, -2.0, 1.5, 1.0, 0.4)]
    [InlineData(2, 2.0, 0.3, -1.0, 1.2)]
    [InlineData(3, 0.0, 0.2, 3.0, 2.0)]
    public void DistributionMatchingMovesMeanAndSpreadToTheTeachers(
        int seed,
        double m,
        double s,
        double teacherM,
        double teacherS
    )
    {
        using var scope = torch.NewDisposeScope();
        var (mean, logS) = Student(m, s);
        var (tm, tv) = (torch.full([1], teacherM), torch.full([1], teacherS * teacherS));
        Train(300, Named(mean, logS), step =>
        {
            using var n = new Noise(seed, step, .02, .98, 5);
            return ModeSeeking(n, mean, logS, (xt, sigma) => Posterior(xt, sigma, tm, tv));
        });
        Assert.Equal(teacherM, mean.ToDouble(), 0.02);
        Assert.Equal(teacherS, Math.Exp(logS.ToDouble()), 0.03);
    }

    /// <summary>
    /// At levels where the noised teacher still has two modes; under much noise any two modes look like one wide one.
    /// </summary>
    [Theory]
    [InlineData(1, .3)]
    [InlineData(2, -.3)]
    [InlineData(3, .3)]
    public void OfTwoModesDistributionMatchingPicksOneAndFlowMatchingTheirMean(int seed, double begin)
    {
        using var scope = torch.NewDisposeScope();
        var zero = torch.zeros([1]);
        var (dm, dmS) = Student(begin, .5);
        Train(250, Named(dm, dmS), step =>
        {
            using var n = new Noise(seed, step, .02, .3, .3);
            return ModeSeeking(n, dm, dmS, (xt, sigma) => TwoModes(xt, sigma, zero));
        });
        Assert.Equal(2 * Math.Sign(begin), dm.ToDouble(), 0.05);
        Assert.Equal(.3, Math.Exp(dmS.ToDouble()), 0.02);

        var (fm, fmS) = Student(begin, .5);
        Train(400, Named(fm, fmS), step =>
        {
            using var n = new Noise(seed, step, .02, .98, 1);
            return MeanSeeking(n, fm, fmS, zero);
        });
        Assert.Equal(0, fm.ToDouble(), 0.15);
        Assert.Equal(Math.Sqrt(4 + .09), Math.Exp(fmS.ToDouble()), 0.1);
    }

    /// <summary>
    /// Four captions with other centres, one trunk from captions to features, two linear heads, both losses in one
    /// step: each head keeps its own answer. One head under both losses has neither.
    /// </summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(1, false)]
    [InlineData(2, false)]
    public void TwoHeadsOnOneTrunkKeepMeanAndModeAndOneHeadCannot(int seed, bool twoHeads)
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)seed);
        double[] centres = [-3, -1, 1, 3];
        var centre = Tensor.From<float>([.. centres.Select(c => (float)c)], 4, 1, 1, 1, 1);
        var trunk = (torch.randn([8, 4], generator: g) * .7).detach().requires_grad_();
        Tensor Head() => (torch.randn([2, 8], generator: g) * .2).detach().requires_grad_();
        var (fm, dm) = (Head(), Head());
        var (fmBias, dmBias) = (Tensor.From([0f, -.7f]).requires_grad_(), Tensor.From([0f, -.7f]).requires_grad_());
        (Tensor M, Tensor LogS) Answer(Tensor head, Tensor bias)
        {
            // one column a caption
            var y = torch.nn.functional.linear(Elementwise.Gelu(trunk, true).transpose(0, 1), head, bias);
            return (Shape(y.select(1, 0)) + centre, Shape(y.select(1, 1)));
        }
        Train(600, twoHeads ? Named(trunk, fm, dm, fmBias, dmBias) : Named(trunk, dm, dmBias), step =>
        {
            using var n = new Noise(seed, step, .02, .3, .3, rows: 4);
            using var wide = new Noise(seed + 100, step, .02, .98, 1, rows: 4);
            var (m, logS) = Answer(dm, dmBias);
            var (fmM, fmLogS) = twoHeads ? Answer(fm, fmBias) : (m, logS);
            return ModeSeeking(n, m, logS, (xt, sigma) => TwoModes(xt, sigma, centre))
                + MeanSeeking(wide, fmM, fmLogS, centre) * .3;
        });
        float[] Values(Tensor x) => x.to(ScalarType.Float32).ToArray<float>();
        var (mode, modeS) = Answer(dm, dmBias);
        var (fromCentre, std) = (Values((mode - centre).abs()), Values(modeS.exp()));
        if (!twoHeads)
        {
            Assert.DoesNotContain(fromCentre.Zip(std), p => Math.Abs(p.First - 2) < .2 && Math.Abs(p.Second - .3) < .1);
            return;
        }
        Assert.All(fromCentre, d => Assert.Equal(2, d, 0.15));
        Assert.All(std, s => Assert.Equal(.3, s, 0.06));
        var (mean, meanS) = Answer(fm, fmBias);
        Assert.All(Values(mean - centre), d => Assert.Equal(0, d, 0.35));
        Assert.All(Values(meanS.exp()), s => Assert.Equal(2.02, s, 0.3));
    }
}
