using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public class TimesTests
{
    [Theory]
    [InlineData(4, 5, new[] { 1000, 937.5, 833.3, 625.0 })]
    [InlineData(4, 8, new[] { 1000, 960, 888.9, 727.3 })]
    [InlineData(5, 5, new[] { 1000, 952.4, 882.4, 769.2, 555.6 })]
    [InlineData(4, 1, new[] { 1000, 750, 500, 250.0 })]
    public void FewStepListsAreThePublishedOnes(int n, double k, double[] expected)
    {
        var list = Times.FewSteps(n, k);
        Assert.Equal(expected.Length, list.Length);
        for (var i = 0; i < n; i++)
            Assert.Equal(expected[i], list[i], 0.05);
    }

    [SkippableTheory]
    [InlineData(5)]
    [InlineData(8)]
    public void TheTableAndTheWarpedListAreTheReferences(int k)
    {
        using var scope = torch.NewDisposeScope();
        var fixture = Fixtures.Read("schedulers");
        var table = Enumerable.Range(0, 1000).Select(i => Times.Shift(1 - i / 1000.0, k)).ToArray();
        Near.Equal(
            fixture[$"outputs/flow_match/shift{k}/sigmas"].to(ScalarType.Float64),
            Tensor.From<double>(table),
            2e-7
        );
        Near.Equal(
            fixture[$"outputs/flow_match/shift{k}/warped_denoising_step_list"].to(ScalarType.Float64),
            Tensor.From<double>(Times.FewSteps(4, k)),
            1e-4
        );
    }

    [Fact]
    public void ShiftByOneIsTheIdentityAndEveryShiftRisesFromZeroToOne()
    {
        foreach (var k in (double[])[0.2, 1, 3, 5, 12])
        {
            var before = -1.0;
            for (var i = 0; i <= 1000; i++)
            {
                var (s, sigma) = (i / 1000.0, Times.Shift(i / 1000.0, k));
                Assert.True(sigma > before);
                before = sigma;
                if (k == 1)
                    Assert.Equal(s, sigma, 1e-15);
                Assert.Equal(s, Times.Shift(sigma, 1 / k), 1e-12); // 1/k undoes k
            }
            Assert.Equal(0, Times.Shift(0, k));
            Assert.Equal(1, Times.Shift(1, k), 1e-15);
        }
    }

    [Fact]
    public void SolverLevelsGoFromNoiseToData()
    {
        var sigmas = Times.Sigmas(10, 3);
        Assert.Equal(11, sigmas.Length);
        Assert.Equal((1.0, 0.0), (sigmas[0], sigmas[^1]));
        Assert.Equal(sigmas.OrderDescending(), sigmas);
    }

    [Fact]
    public void DrawnLevelsFollowTheirLaws()
    {
        var random = new Rng(5);
        var matching = Enumerable.Range(0, 20_000).Select(_ => Times.DrawMatching(random, 5)).Order().ToArray();
        Assert.Equal((0.02, 0.98), (matching[0], matching[^1]));
        Assert.Equal(Times.Shift(0.5, 5), matching[10_000], 0.01); // the median of shifted uniform levels
        Assert.Equal(0.1, matching.Count(s => s > Times.Shift(0.9, 5)) / 20_000.0, 0.01);
        var flow = Enumerable.Range(0, 20_000).Select(_ => new FlowLevels(3).Draw(random)).Order().ToArray();
        Assert.True(flow[0] > 0 && flow[^1] < 1);
        Assert.Equal(Times.Shift(0.5, 3), flow[10_000], 0.01);
        Assert.Equal(Times.Shift(1 / (1 + Math.Exp(-1)), 3), flow[(int)(0.8413 * 20_000)], 0.01); // one std up
    }

    [Fact]
    public void UniformFlowLevelsAreShiftedAndTheReferencesWeightsHaveMeanOne()
    {
        var (random, levels) = (new Rng(5), new FlowLevels(5, LevelSampling.Uniform, LevelWeighting.Bump));
        var drawn = Enumerable.Range(0, 20_000).Select(_ => levels.Draw(random)).Order().ToArray();
        foreach (var share in (double[])[0.1, 0.5, 0.9])
            Assert.Equal(Times.Shift(share, 5), drawn[(int)(share * 20_000)], 0.01);
        Assert.Equal(1, drawn.Average(levels.Weight), 0.02);
        Assert.Equal(0, levels.Weight(1), 1e-9);
        Assert.True(levels.Weight(0.5) > levels.Weight(0.9) && levels.Weight(0.5) > levels.Weight(0.1));
        Assert.Equal(1, new FlowLevels(5).Weight(0.9));
    }

    [Fact]
    public void AWeightScalesTheLossOfItsSample()
    {
        using var scope = torch.NewDisposeScope();
        var (x0, random) = (torch.ones([2, 1, 1, 2, 2]), new Rng(3));
        var (noisy, sigma, noise, weight) = new FlowLevels(3, weighting: LevelWeighting.Bump).Noise(x0, random);
        double Alone(int b) =>
            Flow.Loss(noisy.narrow(0, b, 1), x0.narrow(0, b, 1), noise.narrow(0, b, 1)).ToDouble();
        var weights = weight!.ToArray<float>();
        Assert.Equal(
            (Alone(0) * weights[0] + Alone(1) * weights[1]) / 2,
            Flow.Loss(noisy, x0, noise, weight).ToDouble(),
            1e-5
        );
        Assert.Null(new FlowLevels(3).Noise(x0, random).Weight);
    }
}
