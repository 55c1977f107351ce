using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

/// <summary>
/// Data N(m, s^2) has the posterior mean m + (1-sigma) s^2 / ((1-sigma)^2 s^2 + sigma^2) (x - (1-sigma) m): everything
/// is affine.
/// </summary>
public class SamplingTests
{
    private const double M = 1.5;

    private static double Gain(double sigma, double s) =>
        (1 - sigma) * s * s / ((1 - sigma) * (1 - sigma) * s * s + sigma * sigma);

    private static Sampling.Velocity Gaussian(double s) =>
        (x, t) =>
        {
            var sigma = t / 1000;
            var clean = (x - (1 - sigma) * M) * Gain(sigma, s) + M;
            return (x - clean) / sigma;
        };

    private static Tensor Noise(torch.Generator g, long n = 6) =>
        torch.randn([1, 1, 1, 1, n], generator: g).to(ScalarType.Float64);

    [Fact]
    public void OfOnePointEverySamplerFindsThePointExactly()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(1));
        var point = torch.full([1, 1, 1, 1, 6], M, ScalarType.Float64);
        foreach (var n in (int[])[1, 2, 4])
        {
            Near.Equal(point, Sampling.FewStep(Gaussian(0), Noise(g), _ => Noise(g), Times.FewSteps(n, 5)), 1e-12);
            // the path is straight
            Near.Equal(point, Sampling.Euler(Gaussian(0), Noise(g), Times.Sigmas(n, 5)), 1e-12);
        }
    }

    [Fact]
    public void FewStepsAreTheAffineRecursion()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(2));
        const double s = 0.7;
        double[] steps = [1000, 900, 750, 500];
        var noises = steps.Select(_ => Noise(g)).ToArray();
        var given = 0;
        var seen = new List<double[]>();
        Tensor Run(int? exit)
        {
            given = 0;
            return Sampling.FewStep(
                Gaussian(s),
                noises[given++].clone(),
                _ => noises[given++].clone(),
                steps,
                exit: exit,
                step: (_, clean) => seen.Add(clean.ToArray<double>())
            );
        }
        var video = Run(null);
        var expected = new double[6];
        var z = noises.Select(n => n.ToArray<double>()).ToArray();
        for (var p = 0; p < 6; p++)
        {
            var x = z[0][p];
            for (var i = 0; i < steps.Length; i++)
            {
                var sigma = steps[i] / 1000;
                var clean = M + Gain(sigma, s) * (x - (1 - sigma) * M);
                var next = i + 1 < steps.Length ? steps[i + 1] / 1000 : 0;
                x = i + 1 < steps.Length ? (1 - next) * clean + next * z[i + 1][p] : clean;
            }
            expected[p] = x;
        }
        Near.Equal(Tensor.From<double>(expected, 1, 1, 1, 1, 6), video, 1e-12);
        Assert.Equal((4, 4), (given, seen.Count));
        Assert.Equal(seen[1], Run(exit: 1).ToArray<double>());
        Assert.Equal(2, given);
    }

    /// <summary>
    /// The gradient is that of one step from a still state: none of the steps before is differentiated.
    /// </summary>
    [Fact]
    public void OnlyTheExitStepHasAGraph()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(5));
        var slope = torch.ones([1], ScalarType.Float64).requires_grad_();
        var recorded = new List<bool>();
        var states = new List<Tensor>();
        Tensor Velocity(Tensor x, double t)
        {
            recorded.Add(torch.is_grad_enabled());
            states.Add(x.clone().DetachFromDisposeScope());
            return x * slope;
        }
        var made = Sampling.FewStep(Velocity, Noise(g), _ => Noise(g), [1000, 750, 500], exit: 1);
        Assert.Equal([false, true], recorded);
        made.sum().Backward();
        Near.Equal(states[1].sum() * -0.75, slope.grad!.sum(), 1e-12);
        foreach (var state in states)
            state.Dispose();
        using (torch.no_grad())
            Assert.False(Sampling.FewStep(Velocity, Noise(g), _ => Noise(g), [1000, 750]).requires_grad);
    }

    [Fact]
    public void EulerComesToTheExactFlowInFirstOrder()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(3));
        const double s = 0.7;
        var noise = Noise(g);
        var exact = noise * s + M; // x_sigma = (1 - sigma) m + sqrt((1 - sigma)^2 s^2 + sigma^2) z
        double Error(int n) => (Sampling.Euler(Gaussian(s), noise, Times.Sigmas(n, 3)) - exact).abs().max().ToDouble();
        var (coarse, fine) = (Error(200), Error(400));
        Assert.True(fine < 0.01, $"{fine}");
        Assert.InRange(coarse / fine, 1.9, 2.1);
    }

    [Fact]
    public void EulerLeavesItsInputWhole()
    {
        using var scope = torch.NewDisposeScope();
        using var g = new torch.Generator((ulong)(4));
        var noise = Noise(g);
        var before = noise.ToArray<double>();
        Sampling.Euler(Gaussian(1), noise, Times.Sigmas(3, 1));
        Assert.Equal(before, noise.ToArray<double>());
    }

    [Fact]
    public void AGuidedVelocityAsksTheUnconditionalOneOnlyWhenItMust()
    {
        using var scope = torch.NewDisposeScope();
        var asked = 0;
        Tensor Uncond(Tensor x, double t)
        {
            asked++;
            return x;
        }
        var x = torch.ones([1, 1, 1, 1, 1]);
        Assert.Equal(2, Sampling.Guided((x, _) => x * 2, Uncond, 1)(x, 500).ToDouble());
        Assert.Equal(0, asked);
        Assert.Equal(4, Sampling.Guided((x, _) => x * 2, Uncond, 3)(x, 500).ToDouble());
        Assert.Equal(1, asked);
    }
}
