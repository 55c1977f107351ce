using LongTake.Diffusion;

namespace LongTake.Tests.Diffusion;

public class DistributionMatchingTests
{
    private static Tensor FromFrames(Tensor x) => x.Permute(0, 2, 1, 3, 4).Contiguous();   // [B, F, C, H, W] -> [B, C, F, H, W]

    /// <summary>The level of the reference's table nearest to each timestep.</summary>
    private static Tensor Nearest(Tensor timesteps, double shift)
    {
        var table = Enumerable.Range(0, 1000).Select(i => Times.Shift(1 - i / 1000.0, shift)).ToArray();
        var levels = timesteps.To(Dtype.F64).ToArray<double>().Select(t => (float)table.MinBy(s => Math.Abs(1000 * s - t))).ToArray();
        return Tensor.From<float>(levels, timesteps.Shape);
    }

    [SkippableTheory]
    [InlineData("dmd", 5, 0, false)]
    [InlineData("dmd_fake_guidance", 5, 1.5, false)]
    [InlineData("dmd_masked", 5, 0, true)]
    [InlineData("dmd_ts_schedule", 5, 0, false)]
    [InlineData("dmd_shift1", 1, 0, false)]
    public void GradientNormaliserAndLossAreTheReferences(string name, double shift, double fakeGuidance, bool masked)
    {
        using var scope = new Scope();
        var f = Fixtures.Read("dmd");
        Tensor In(string n) => FromFrames(f["inputs/" + n]);
        Tensor Out(string n) => f[$"outputs/{name}/{n}"];
        var x = In("x").RequiresGrad_();
        var real = Flow.Guide(In("pred_real_cond"), In("pred_real_uncond"), 3 + 1);   // their 3 is the standard 4
        var fake = Flow.Guide(In("pred_fake_cond"), In("pred_fake_uncond"), fakeGuidance + 1);
        var gradient = DistributionMatching.Gradient(x.Detach(), real, fake);
        Near.Equal(Out("normalizer"), DistributionMatching.Normaliser(x.Detach(), real), 1e-5, 1e-5);
        Near.Equal(FromFrames(Out("grad")), gradient, 1e-5, 1e-5);
        Near.Equal(Out("gradient_norm"), Mean(Abs(gradient)), 1e-5, 1e-5);
        var loss = DistributionMatching.Surrogate(x, gradient, masked ? In("gradient_mask").To(Dtype.F32) : null);
        Near.Equal(Out("loss"), loss.To(Dtype.F64), 0, 2e-6);
        loss.Backward();
        Near.Equal(FromFrames(Out("dloss_dx")), x.Grad!, 1e-7, 1e-5);
        Near.Equal(FromFrames(Out("noisy_latent")), Flow.Noisy(In("x"), In("noise"), Nearest(Out("timestep"), shift == 1 ? 1 : 5)), 1e-5, 1e-5);
    }

    [SkippableTheory]
    [InlineData("critic_flow", 5)]
    [InlineData("critic_flow_shift8", 8)]
    public void TheCriticsFlowLossIsTheReferences(string name, double shift)
    {
        using var scope = new Scope();
        var f = Fixtures.Read("dmd");
        var (x, noise, prediction) = (FromFrames(f["inputs/x"]), FromFrames(f["inputs/noise"]), FromFrames(f["inputs/pred_fake_cond"]).RequiresGrad_());
        var sigma = Nearest(f[$"outputs/{name}/timestep"], shift);
        var noisy = Flow.Noisy(x, noise, sigma);
        Near.Equal(FromFrames(f[$"outputs/{name}/noisy_latent"]), noisy, 1e-5, 1e-5);
        Near.Equal(FromFrames(f[$"outputs/{name}/flow_target"]), Flow.Target(x, noise), 1e-6);
        var velocity = (noisy - prediction) / Flow.Spread(sigma);
        Near.Equal(FromFrames(f[$"outputs/{name}/flow_pred"]), velocity, 1e-4, 1e-5);
        var loss = Flow.Loss(velocity, x, noise);
        Near.Equal(f[$"outputs/{name}/loss"], loss, 0, 2e-5);
        loss.Backward();
        Near.Equal(FromFrames(f[$"outputs/{name}/dloss_dpred"]), prediction.Grad!, 1e-5, 1e-4);
    }

    [Fact]
    public void TheSurrogatesGradientIsTheGivenOneOverWhatCounts()
    {
        using var scope = new Scope();
        using var g = new Generator(1);
        var (x, given) = (g.Normal(2, 3, 4, 2, 2).RequiresGrad_(), g.Normal(2, 3, 4, 2, 2));
        DistributionMatching.Surrogate(x, given).Backward();
        Near.Equal(given / 96, x.Grad!, 1e-7);
        x.Grad = null;
        var mask = Windows.Mask([0, 2], 4);
        DistributionMatching.Surrogate(x, given, mask).Backward();
        Near.Equal(given * mask / (96 - 12), x.Grad!, 1e-7);
    }

    [Fact]
    public void ANumberThatIsNoneMovesNothing()
    {
        using var scope = new Scope();
        var same = Ones([1, 1, 1, 1, 2]);
        Assert.Equal([0f, 0], DistributionMatching.Gradient(same, same, same).ToArray<float>());   // 0 / 0
    }
}
